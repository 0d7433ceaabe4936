# SPDX-License-Identifier: Apache-2.0
"""Finding the programs of benchmarks, and running one benchmark of one of them.

A program is one of Google Benchmark's, or a script that takes the same options (baseline/cpython).
What a run gives is a sample: a dict with cost_ns (of one operation), and whatever of cpu_ns,
bytes_per_second and the benchmark's own counters there is.
"""
import json
import os
import pathlib
import re
import signal
import shutil
import subprocess
import sys

from . import names

# What Google Benchmark itself says of a run; everything else that is a number is a counter.
_OF_GOOGLE = {
    'family_index', 'per_family_instance_index', 'repetitions', 'repetition_index', 'threads',
    'iterations', 'real_time', 'cpu_time', 'items_per_second'}
_NS = {'ns': 1, 'us': 1e3, 'ms': 1e6, 's': 1e9}


# The CPython that is compared with is the system's.
PYTHON = shutil.which('python3', path='/usr/bin') or sys.executable


class Failed(Exception):
    """A benchmark that did not run to its end, with what it said."""


class Benchmark:
    def __init__(self, name, command, full_name):
        self.name = name
        self.command = command
        self.full_name = full_name


def find(build, source):
    """The commands of all programs: what is built below `build`, and the scripts in `source`."""
    built = sorted(path for path in pathlib.Path(build).rglob('*_bench')
                   if path.is_file() and os.access(path, os.X_OK))
    scripts = sorted(pathlib.Path(source).rglob('*_bench.py'))
    return ([[str(path)] for path in built] +
            [[PYTHON, '-B', str(path)] for path in scripts])


def benchmarks_of(command, environment):
    """The benchmarks that a program has; none if it says that it cannot run here."""
    done = subprocess.run(command + ['--benchmark_list_tests=true'], env=environment, text=True,
                          capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Failed(f'{command[-1]} lists nothing: {done.stderr.strip()}')
    for line in done.stdout.splitlines():
        if line.strip():
            yield Benchmark(names.parse(line.strip()), command, line.strip())


def exactly(full_name):
    """The regular expression of one name. Not re.escape: to POSIX '\\-' and '\\/' are errors."""
    return '^' + re.sub(r'[.+*?()\[\]{}|\\^$]', r'\\\g<0>', full_name) + '$'


def run(benchmark, min_time, timeout, environment):
    """Runs the benchmark once, in a process group of its own; its sample."""
    command = benchmark.command + [
        f'--benchmark_filter={exactly(benchmark.full_name)}', f'--benchmark_min_time={min_time}',
        '--benchmark_format=json']
    child = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, complaints = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f'{benchmark.name} was not done after {timeout} s') from None
    finally:
        _kill_group(child.pid)
        child.wait()
    if child.returncode != 0:
        raise Failed(f'{benchmark.name} ended with {child.returncode}: {complaints.strip()[-500:]}')
    return sample_of(benchmark.name, out)


def _kill_group(leader):
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass


def sample_of(name, text):
    """The sample in what a program printed."""
    try:
        lines = json.loads(text)['benchmarks']
    except (ValueError, KeyError):
        raise Failed(f'{name} printed no JSON') from None
    if len(lines) != 1:
        raise Failed(f'{name} ran {len(lines)} times')
    line = lines[0]
    if line.get('error_occurred'):
        raise Failed(f'{name}: {line.get("error_message")}')
    sample = {key: value for key, value in line.items()
              if key not in _OF_GOOGLE and isinstance(value, (int, float))
              and not isinstance(value, bool)}
    items = line.get('items_per_second')
    sample['cost_ns'] = 1e9 / items if items else line['real_time'] * _NS[line['time_unit']]
    return sample
