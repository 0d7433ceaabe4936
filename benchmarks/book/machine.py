# SPDX-License-Identifier: Apache-2.0
"""Where and of what a run was made."""
import datetime
import os
import pathlib
import platform
import re
import subprocess

from . import programs


def _said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20,
                              check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ''


def _first(path, pattern):
    try:
        match = re.search(pattern, pathlib.Path(path).read_text(encoding='utf-8'), re.MULTILINE)
    except OSError:
        return ''
    return match[1].strip() if match else ''


def describe(build, source):
    compiler = _first(pathlib.Path(build) / 'CMakeCache.txt', r'^CMAKE_CXX_COMPILER:[^=]*=(.*)$')
    commit = _said('git', '-C', str(source), 'rev-parse', '--short=12', 'HEAD')
    changed = _said('git', '-C', str(source), 'status', '--porcelain', '--untracked-files=no')
    return {
        'cpu': _first('/proc/cpuinfo', r'^model name\s*:\s*(.*)$') or platform.machine(),
        'cpus': len(os.sched_getaffinity(0)),
        'memory_GiB': round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2 ** 30),
        'virtual': 'hypervisor' in _first('/proc/cpuinfo', r'^flags\s*:(.*)$').split(),
        'kernel': platform.release(),
        'system': _first('/etc/os-release', r'^PRETTY_NAME="?([^"\n]*)'),
        'compiler': _said(compiler, '--version').split('\n')[0] if compiler else '',
        'flags': _first(pathlib.Path(build) / 'CMakeCache.txt', r'^CMAKE_CXX_FLAGS_RELEASE:[^=]*=(.*)$'),
        'python': _said(programs.PYTHON, '--version').removeprefix('Python '),
        'commit': commit + (' and changes' if changed else ''),
        'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
    }
