# SPDX-License-Identifier: Apache-2.0
"""Benchmarks in Python under the options, and with the output, of Google Benchmark.

    google.add('area/work/size/cpython', body)
    google.main()

A body gets a State: what it does between begin() and end() is timed, and stands for the number of
operations that it says. It is called once for each run.
"""
import argparse
import json
import os
import re
import sys
import time

QUICK = 'MP_BENCH_QUICK' in os.environ

_bodies = {}


class State:
    def __init__(self, min_time):
        self.min_time = min_time
        self.seconds = 0.0
        self.operations = 0
        self.counters = {}

    def repeat(self, once, operations=1):
        """Calls `once`, which does so many operations, until that has taken long enough."""
        once()
        begin = time.perf_counter()
        while self.seconds < self.min_time or self.operations == 0:
            once()
            self.operations += operations
            self.seconds = time.perf_counter() - begin

    def took(self, seconds, operations):
        """For a body that measures by itself."""
        self.seconds += seconds
        self.operations += operations

    def latency(self, once, most=2000):
        """The counters p50_ns, p99_ns and p999_ns of single calls."""
        times = []
        for _ in range(min(most, max(1, self.operations))):
            begin = time.perf_counter_ns()
            once()
            times.append(time.perf_counter_ns() - begin)
        times.sort()
        for name, share in (('p50_ns', 0.5), ('p99_ns', 0.99), ('p999_ns', 0.999)):
            self.counters[name] = times[min(len(times) - 1, int(share * len(times)))]


def add(name, body):
    _bodies[name] = body


def pin(party):
    """The first party sits on the first CPU, the second on the last."""
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[0] if party == 0 else cpus[-1]})


def _run(name, min_time):
    state = State(min_time)
    _bodies[name](state)
    line = {'name': name, 'run_name': name, 'run_type': 'iteration',
            'iterations': state.operations, 'time_unit': 'ns',
            'real_time': state.seconds * 1e9 / state.operations}
    line.update(state.counters)
    return line


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--benchmark_list_tests')
    parser.add_argument('--benchmark_filter', default='.')
    parser.add_argument('--benchmark_min_time', type=float, default=0.5)
    parser.add_argument('--benchmark_format')
    chosen = parser.parse_args()
    wanted = [name for name in _bodies if re.search(chosen.benchmark_filter, name)]
    if chosen.benchmark_list_tests:
        print('\n'.join(wanted))
        return
    lines = [_run(name, chosen.benchmark_min_time) for name in wanted]
    json.dump({'context': {'python': sys.version}, 'benchmarks': lines}, sys.stdout, indent=1)
