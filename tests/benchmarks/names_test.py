# SPDX-License-Identifier: Apache-2.0
"""names_test.py BUILD: every benchmark has a name of the form, and every target names benchmarks that
there are. A rival may be missing where its package is."""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'benchmarks'))

from book import __main__ as driver  # noqa: E402
from book import targets  # noqa: E402

SKIPPED = 77  # what ctest takes as skipped
MAY_BE_MISSING = {'moodycamel', 'tbb', 'zmq_ipc', 'zmq_inproc', 'nng_ipc', 'iceoryx'}
# They run a program of another target, which may not have been built.
PROGRAMS = {'pool/topics/': 'tests/examples/topics/topics',
            'manager/create_proxy/dict/mp_from_cpython': 'benchmarks/manager/manager_serve'}


def excused(name, build):
    if name.impl in MAY_BE_MISSING:
        return True
    return any(str(name).startswith(start) and not (build / program).exists()
               for start, program in PROGRAMS.items())


def main(build):
    if not list((build / 'benchmarks').rglob('*_bench')):
        print('skipped: no program of benchmarks was built')
        return SKIPPED
    environment = dict(os.environ, MP_BUILD=str(build))
    environment.pop('MP_BENCH_QUICK', None)
    found = driver.all_benchmarks(build, environment)
    unknown = set()
    for target in targets.read(ROOT / 'benchmarks/targets.txt'):
        unknown |= {name for name in (target.ours, target.other)
                    if name and name not in found and not excused(name, build)}
    for name in sorted(unknown):
        print(f'no benchmark has the name of a target: {name}')
    print(f'{len(found)} benchmarks')
    return 1 if unknown or len(found) < 200 else 0


if __name__ == '__main__':
    sys.exit(main(pathlib.Path(sys.argv[1])))
