# SPDX-License-Identifier: Apache-2.0
"""./dev bench: runs the benchmarks and says how they compare (benchmarks/README.md)."""
import argparse
import dataclasses
import os
import pathlib
import sys
import time

from . import machine
from . import names
from . import plan
from . import programs
from . import readme
from . import report
from . import results as results_
from . import rounds
from . import table
from . import targets as targets_

BENCHMARKS = pathlib.Path(__file__).resolve().parent.parent
BARE = names.Name('bare', 'round_trip', 'line', 'bare', '2cpu')


@dataclasses.dataclass(frozen=True)
class Form:
    """How much is done of everything."""
    name: str
    min_time: float  # s, of the loop of one run
    timeout: float  # s, of one run
    rounds: int  # of a pair
    rounds_of_targets: int  # of a pair that a target is about
    budget: float  # s, after which a pair has no more rounds than `rounds`
    repeats: int  # of a round during which the machine changed, for each that is wanted
    once: bool  # one run of each benchmark serves all its pairs


QUICK = Form('quick', 0.001, 60, 1, 1, 60, 0, True)
LONG = Form('long', 0.1, 900, 3, 7, 60, 2, False)


def options(arguments):
    parser = argparse.ArgumentParser(prog='./dev bench', description=__doc__)
    parser.add_argument('filter', nargs='?', default='.',
                        help='a regular expression: only pairs with a name that matches')
    parser.add_argument('--quick', action='store_true',
                        help='a smoke run: everything once and briefly; its figures mean little')
    parser.add_argument('--targets', action='store_true',
                        help='exit with 1 if a target is missed, or fails to be measured')
    parser.add_argument('--json', metavar='FILE', help='write what was measured')
    parser.add_argument('--from', metavar='FILE', dest='source',
                        help='measure nothing: read what --json wrote')
    parser.add_argument('--report', metavar='DIR', help='write DIR/index.html, with charts')
    parser.add_argument('--book', action='store_true',
                        help='put the tables into benchmarks/README.md')
    parser.add_argument('--rounds', type=int, metavar='N', help='measure each pair N times')
    parser.add_argument('--list', action='store_true', help='only say what would be compared')
    parser.add_argument('--build', default=str(BENCHMARKS.parent / 'build/release'),
                        help=argparse.SUPPRESS)
    parser.add_argument('--targets-file', default=str(BENCHMARKS / 'targets.txt'),
                        help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def environment_of(form):
    environment = dict(os.environ)
    environment.pop('MP_BENCH_QUICK', None)
    if form.once:
        environment['MP_BENCH_QUICK'] = '1'
    return environment


def all_benchmarks(build, environment):
    found = {}
    for command in programs.find(pathlib.Path(build) / 'benchmarks', BENCHMARKS):
        for benchmark in programs.benchmarks_of(command, environment):
            found[benchmark.name] = benchmark
    return found


def measure(chosen, wanted_targets):
    """Runs what is asked for; the Results."""
    form = QUICK if chosen.quick else LONG
    environment = environment_of(form)
    environment['MP_BUILD'] = chosen.build
    benchmarks = all_benchmarks(chosen.build, environment)
    pairs = plan.comparisons(sorted(benchmarks), wanted_targets, chosen.filter)
    results = results_.Results(machine.describe(chosen.build, BENCHMARKS), form.name)
    if chosen.list:
        for ours, other in pairs:
            print(ours, other or '')
        return results
    watch = BARE if BARE in benchmarks and not form.once else None
    runner = rounds.Runner(benchmarks, watch, form, environment)
    watched = {(target.ours, target.other) for target in wanted_targets}
    alone = {target.ours for target in wanted_targets if target.other is None}
    for number, (ours, other) in enumerate(pairs, 1):
        important = (ours, other) in watched or ours in alone
        count = chosen.rounds or (form.rounds_of_targets if important else form.rounds)
        _measure_pair(results, runner, ours, other, count, f'{number}/{len(pairs)}')
    return results


def _measure_pair(results, runner, ours, other, count, place):
    began = time.monotonic()
    beside = f' beside {other}' if other else ''
    try:
        kept, repeated = runner.measure(ours, other, count)
    except programs.Failed as error:
        results.failed.append(str(error))
        print(f'{place}  FAILED  {error}', file=sys.stderr, flush=True)
        return
    results.add(ours, other, kept, repeated)
    again = f', {repeated} rounds repeated' if repeated else ''
    print(f'{place}  {ours}{beside}: {time.monotonic() - began:.1f} s{again}', file=sys.stderr,
          flush=True)


def show(chosen, results, verdicts):
    if chosen.filter != '.':
        verdicts = [verdict for verdict in verdicts if verdict.value is not None]
    print('\n'.join(table.machine_lines(results)), '', sep='\n')
    print(table.text(table.COMPARISONS, table.comparison_rows(results)), '', sep='\n')
    if results.form == 'quick' and not chosen.targets:
        print('A smoke run: every benchmark ran, and its figures mean little.')
    else:
        print(table.text(table.TARGETS, table.target_rows(verdicts)))
    for failure in results.failed:
        print(f'FAILED: {failure}')


def status(chosen, results, verdicts):
    """What the process ends with: 1 for a benchmark that does not run, or a target missed."""
    bad = bool(results.failed)
    if chosen.targets:
        missed = [verdict for verdict in verdicts if verdict.missed]
        unknown = [verdict for verdict in verdicts if verdict.value is None]
        for verdict in missed:
            print(f'missed: {verdict.target.ours}: {verdict.target.text}')
        if chosen.filter == '.':
            for verdict in unknown:
                print(f'not measured: {verdict.target.ours}: {verdict.target.text}')
        bad = bad or bool(missed) or (chosen.filter == '.' and bool(unknown))
    return 1 if bad else 0


def main(arguments):
    chosen = options(arguments)
    wanted_targets = targets_.read(chosen.targets_file)
    results = results_.load(chosen.source) if chosen.source else measure(chosen, wanted_targets)
    if chosen.list:
        return 0
    if chosen.json:
        results.dump(chosen.json)
    verdicts = table.verdicts(wanted_targets, results)
    show(chosen, results, verdicts)
    if chosen.report:
        report.write(chosen.report, results, verdicts)
    if chosen.book:
        readme.write(BENCHMARKS / 'README.md', results, verdicts)
    return status(chosen, results, verdicts)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
