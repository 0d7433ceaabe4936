# SPDX-License-Identifier: Apache-2.0
"""The search of tests/examples/topics: a pool of two processes that does the whole of it, beside two
independent serial processes, started at once, that do half of it each."""
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'baseline/cpython'))
import google  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get('MP_BUILD', 'build/release')) / 'tests/examples/topics/topics'


def together(*arguments):
    """Seconds until all of them, started at once, have ended."""
    begin = time.perf_counter()
    running = [subprocess.Popen([PROGRAM, *each], stdout=subprocess.DEVNULL) for each in arguments]
    if any(each.wait() != 0 for each in running):
        raise RuntimeError('topics failed')
    return time.perf_counter() - begin


def pool(state):
    state.took(together(['--processes', '2', '--share', '1/1']), 1)


def halves(state):
    state.took(together(['--serial', '--share', '1/2'], ['--serial', '--share', '2/2']), 1)


if __name__ == '__main__':
    if PROGRAM.exists() and not google.QUICK:
        google.add('pool/topics/1782/mp', pool)
        google.add('pool/topics/1782/two_processes', halves)
    google.main()
