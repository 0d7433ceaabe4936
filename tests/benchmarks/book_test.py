# SPDX-License-Identifier: Apache-2.0
"""The book: names, pairs, rounds, targets, tables and the page, of a canned run."""
import contextlib
import dataclasses
import html.parser
import io
import os
import pathlib
import stat
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'benchmarks'))

import canned  # noqa: E402
from book import __main__ as driver  # noqa: E402
from book import charts, names, plan, programs, readme, report, results, rounds, stats  # noqa: E402
from book import table, targets  # noqa: E402


def name(text):
    return names.parse(text)


class Names(unittest.TestCase):
    def test_lose_what_google_benchmark_appends(self):
        parsed = name('pipe/round_trip/64B/mp/2cpu/iterations:3/real_time')
        self.assertEqual(str(parsed), 'pipe/round_trip/64B/mp/2cpu')
        self.assertEqual(parsed.placement, '2cpu')
        self.assertEqual(str(name('lock/contended/2p/pthread/manual_time')),
                         'lock/contended/2p/pthread')

    def test_have_four_parts_or_five(self):
        for text in ('BM_Lock', 'a/b/c', 'a/b/c/d/e', 'a//c/d', 'a/b/c/d/2cpu/e'):
            with self.assertRaises(ValueError, msg=text):
                name(text)

    def test_say_whose_they_are(self):
        self.assertTrue(name('a/b/c/mp').is_ours)
        self.assertTrue(name('a/b/c/mp_raw').is_ours)
        self.assertFalse(name('a/b/c/mpi').is_ours)

    def test_sizes_are_numbers(self):
        sizes = {'8B': 8, '64KiB': 65536, '1MiB': 1 << 20, '10k': 10_000, '8p': 8, '100': 100}
        for text, number in sizes.items():
            self.assertEqual(names.magnitude(text), number)
        self.assertIsNone(names.magnitude('doubles1000'))
        self.assertIsNone(names.magnitude('-'))


class Plan(unittest.TestCase):
    NAMES = [name(text) for text in ('a/b/1B/mp/2cpu', 'a/b/1B/x/2cpu', 'a/b/1B/x/1cpu',
                                     'a/b/1B/y/2cpu', 'a/c/-/mp', 'd/e/-/z')]

    def test_pairs_ours_with_each_rival_of_the_same_task(self):
        pairs = plan.comparisons(self.NAMES, [])
        mine = [str(other) for ours, other in pairs if str(ours) == 'a/b/1B/mp/2cpu']
        self.assertEqual(mine, ['a/b/1B/x/2cpu', 'a/b/1B/y/2cpu'])

    def test_leaves_nothing_out(self):
        pairs = plan.comparisons(self.NAMES, [])
        self.assertEqual({each for pair in pairs for each in pair if each}, set(self.NAMES))
        self.assertIn((name('a/c/-/mp'), None), pairs)

    def test_pairs_what_a_target_compares(self):
        wanted = targets.parse(['a/c/-/mp cost at-most 2 x d/e/-/z'])
        self.assertIn((name('a/c/-/mp'), name('d/e/-/z')), plan.comparisons(self.NAMES, wanted))

    def test_takes_those_that_match(self):
        pairs = plan.comparisons(self.NAMES, [], '^a/b/')
        self.assertTrue(pairs)
        self.assertTrue(all(str(ours).startswith('a/b/') for ours, _ in pairs))


class FakeRunner(rounds.Runner):
    """Costs come from a list instead of programs."""

    def __init__(self, bare, form=driver.LONG):
        super().__init__({}, 'bare', form, {})
        self.bares = iter(bare)
        self.ran = []

    def sample(self, name_):
        self.ran.append(name_)
        return {'cost_ns': 1.0}

    def _bare_now(self):
        return next(self.bares)


class Rounds(unittest.TestCase):
    def test_are_taken_by_turns(self):
        runner = FakeRunner([1.0] * 10)
        kept, repeated = runner.measure('a', 'b', 3)
        self.assertEqual(runner.ran, ['a', 'b'] * 3)
        self.assertEqual((len(kept), repeated), (3, 0))

    def test_are_repeated_when_the_machine_moved(self):
        runner = FakeRunner([1.0, 1.6, 1.6, 1.5, 1.5])
        kept, repeated = runner.measure('a', 'b', 3)
        self.assertEqual((len(kept), repeated), (3, 1))
        self.assertEqual(kept[0]['bare_ns'], [1.6, 1.6])

    def test_are_not_repeated_for_ever(self):
        runner = FakeRunner([1.0, 2.0] * 100)
        kept, repeated = runner.measure('a', 'b', 3)
        self.assertEqual((len(kept), repeated), (3, 3 * driver.LONG.repeats))


    def test_are_fewer_when_they_take_long(self):
        runner = FakeRunner([1.0] * 20, dataclasses.replace(driver.LONG, budget=-1.0))
        self.assertEqual(len(runner.measure('a', 'b', 7)[0]), driver.LONG.rounds)


# A program of benchmarks: lists two, and does with each what its name says.
PROGRAM = '''#!{python}
import sys, time, os
words = dict(word.lstrip('-').split('=', 1) for word in sys.argv[1:])
if 'benchmark_list_tests' in words:
    print('a/b/-/mp/real_time')
    print('a/b/-/hangs')
elif 'hangs' in words['benchmark_filter']:
    if os.fork() == 0:
        with open({path!r} + '.new', 'w') as out:
            out.write(str(os.getpid()))
        os.rename({path!r} + '.new', {path!r})
    time.sleep(1000)
elif 'fails' in words['benchmark_filter']:
    sys.exit('no such luck')
else:
    print('{{"benchmarks": [{{"name": "a/b/-/mp", "real_time": 2, "time_unit": "us",'
          ' "iterations": 5, "p50_ns": 7.0}}]}}')
'''


class Programs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.pid = os.path.join(self.folder.name, 'pid')
        self.path = pathlib.Path(self.folder.name) / 'a_bench'
        self.path.write_text(PROGRAM.format(python=sys.executable, path=self.pid), encoding='utf-8')
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)

    def benchmark(self, text):
        return programs.Benchmark(name(text), [str(self.path)], text)

    def test_are_found_and_asked(self):
        commands = programs.find(self.folder.name, self.folder.name)
        self.assertEqual(commands, [[str(self.path)]])
        listed = [str(each.name) for each in programs.benchmarks_of(commands[0], dict(os.environ))]
        self.assertEqual(listed, ['a/b/-/mp', 'a/b/-/hangs'])

    def test_give_a_sample(self):
        sample = programs.run(self.benchmark('a/b/-/mp'), 0.1, 20, dict(os.environ))
        self.assertEqual(sample, {'cost_ns': 2000, 'p50_ns': 7.0})

    def test_are_asked_for_one_benchmark(self):
        self.assertEqual(programs.exactly('a/-/b_c/min_time:0.1'), r'^a/-/b_c/min_time:0\.1$')

    def test_that_fail_say_so(self):
        with self.assertRaisesRegex(programs.Failed, 'no such luck'):
            programs.run(self.benchmark('a/b/-/fails'), 0.1, 20, dict(os.environ))

    def test_that_hang_are_ended_with_all_their_children(self):
        timeout = 1
        while not os.path.exists(self.pid):  # on a busy machine it may not have come so far
            with self.assertRaisesRegex(programs.Failed, 'not done'):
                programs.run(self.benchmark('a/b/-/hangs'), 0.1, timeout, dict(os.environ))
            timeout *= 2
        child = int(pathlib.Path(self.pid).read_text(encoding='utf-8'))
        while _alive(child):  # ctest ends this if it never dies
            time.sleep(0.01)

    def test_cost_what_an_item_costs(self):
        line = ('{"benchmarks": [{"real_time": 1e6, "time_unit": "ns", "items_per_second": 1e7,'
                ' "bytes_per_second": 64e7}]}')
        self.assertEqual(programs.sample_of('x', line), {'cost_ns': 100, 'bytes_per_second': 64e7})

    def test_whose_error_is_said_are_failures(self):
        line = '{"benchmarks": [{"error_occurred": true, "error_message": "no pipe"}]}'
        with self.assertRaisesRegex(programs.Failed, 'no pipe'):
            programs.sample_of('x', line)


def _alive(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').split(') ')[1][0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


class Targets(unittest.TestCase):
    def judged(self, **costs):
        return [targets.judge(each, canned.run(**costs)) for each in canned.wanted()]

    def test_are_met(self):
        self.assertEqual([verdict.missed for verdict in self.judged()], [False] * 5)

    def test_are_missed_by_a_ratio(self):
        missed = [verdict.target.text for verdict in self.judged(pipe=500.0) if verdict.missed]
        self.assertEqual(missed, ['cost at most 1.2 x pipe/round_trip/64B/bare_ring/2cpu'])
        missed = [verdict.target.text for verdict in self.judged(pipe=800.0) if verdict.missed]
        self.assertEqual(len(missed), 2)

    def test_are_missed_by_a_bound(self):
        self.assertEqual([verdict.missed for verdict in self.judged(apply=5100.0)][2], True)
        self.assertEqual([verdict.missed for verdict in self.judged(apply=10_100.0)][3], True)
        self.assertEqual([verdict.missed for verdict in self.judged(jain=0.79)][4], True)

    def test_have_units(self):
        bounds = {'cost at-most 2 us': 2000, 'speed at-least 3 k/s': 3000, 'p50_ns at-most 5 ms': 5e6,
                  'resident at-most 2 MiB': 2 << 20, 'wakes_per_s at-most 1': 1}
        for text, bound in bounds.items():
            self.assertEqual(targets.parse(['a/b/-/mp ' + text])[0].bound, bound)

    def test_compare_what_was_taken_together(self):
        verdict = self.judged()[1]
        self.assertAlmostEqual(verdict.value, 20.0)
        self.assertAlmostEqual(verdict.spread, 0.0)

    def test_can_be_unknown(self):
        lonely = targets.parse(['x/y/-/mp cost at-most 1 us'])[0]
        verdict = targets.judge(lonely, canned.run())
        self.assertIsNone(verdict.value)
        self.assertFalse(verdict.missed)

    def test_that_cannot_be_read_are_named(self):
        for line in ('a/b/-/mp cost below 1 us', 'a/b/-/mp cost at-most 1 parsec', 'nonsense',
                     'a/b/-/mp cost at-most 1',
                     'a/b/-/mp cost at-most 1 x nobody'):
            with self.assertRaisesRegex(ValueError, 'line 1'):
                targets.parse([line])


class Driver(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / 'targets').write_text(canned.TARGETS, encoding='utf-8')

    def of_canned(self, made, *arguments):
        """(status, output) of the driver for a run that was written before."""
        made.dump(self.folder / 'run.json')
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = driver.main(['--from', str(self.folder / 'run.json'), '--targets-file',
                                str(self.folder / 'targets'), *arguments])
        return code, said.getvalue()

    def test_shows_ratios_and_targets(self):
        code, said = self.of_canned(canned.run())
        self.assertEqual(code, 0)
        row = next(line for line in said.splitlines() if '1MiB/mp' in line and 'posix_pipe' in line)
        self.assertEqual(row.split(), ['pipe/round_trip/1MiB/mp/2cpu', '200', 'us', '10', '%',
                                       'posix_pipe', '900', 'us', '10', '%', '4.50', '0', '%'])
        self.assertIn('kernel 6.1.0', said)

    def test_says_nothing_of_targets_after_a_smoke_run(self):
        said = self.of_canned(canned.run(form='quick', apply=6000.0))[1]
        self.assertIn('A smoke run', said)
        self.assertNotIn('MISSED', said)

    def test_ends_with_0_when_targets_are_met(self):
        self.assertEqual(self.of_canned(canned.run(), '--targets')[0], 0)

    def test_ends_with_1_and_names_what_is_missed(self):
        code, said = self.of_canned(canned.run(apply=6000.0), '--targets')
        self.assertEqual(code, 1)
        self.assertIn('missed: pool/apply/2w/mp: cost at most 5 us\n', said)
        self.assertEqual(self.of_canned(canned.run(apply=6000.0))[0], 0)

    def test_ends_with_1_when_a_target_was_not_measured(self):
        made = canned.run()
        made.comparisons = [each for each in made.comparisons if 'apply' not in each['ours']]
        code, said = self.of_canned(made, '--targets')
        self.assertEqual(code, 1)
        self.assertIn('not measured: pool/apply/2w/mp', said)
        self.assertEqual(self.of_canned(made, '--targets', 'pipe')[0], 0)

    def test_ends_with_1_when_a_benchmark_failed(self):
        made = canned.run()
        made.failed.append('pipe/x ended with 134')
        code, said = self.of_canned(made)
        self.assertEqual(code, 1)
        self.assertIn('FAILED: pipe/x ended with 134', said)

    def test_writes_what_it_can_read(self):
        copy = self.folder / 'copy.json'
        self.of_canned(canned.run(), '--json', str(copy))
        self.assertEqual(results.load(copy).comparisons, canned.run().comparisons)

    def test_writes_the_page(self):
        self.of_canned(canned.run(), '--report', str(self.folder / 'page'))
        self.assertIn('<svg', (self.folder / 'page/index.html').read_text(encoding='utf-8'))


class Readme(unittest.TestCase):
    def test_has_its_tables_replaced_and_nothing_else(self):
        made = canned.run()
        new = readme.section(made, table.verdicts(canned.wanted(), made))
        text = f'before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n'
        self.assertEqual(readme.replaced(text, new), f'before\n{new}\nafter\n')
        self.assertIn('5 of 5 targets met', new)
        self.assertIn('| met | pipe/round_trip/64B/mp/2cpu |', new)
        self.assertEqual(readme.replaced(readme.replaced(text, new), new),
                         readme.replaced(text, new))

    def test_of_the_tree_has_a_place_for_them(self):
        text = (ROOT / 'benchmarks/README.md').read_text(encoding='utf-8')
        self.assertNotEqual(readme.replaced(text, 'x'), text)


class Tags(html.parser.HTMLParser):
    """Collects tags, and whether each that was opened was closed in its place."""
    VOID = {'meta'}

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.addresses = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.addresses += [value for key, value in attrs if key in ('src', 'href')]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            raise AssertionError(f'{tag} is closed out of place')


class Page(unittest.TestCase):
    def page(self, **costs):
        made = canned.run(**costs)
        return report.page(made, table.verdicts(canned.wanted(), made))

    def test_is_whole_and_needs_no_network(self):
        tags = Tags()
        tags.feed(self.page())
        self.assertEqual(tags.open, [])
        self.assertEqual(tags.addresses, [])
        self.assertNotIn('script', tags.seen)
        self.assertNotIn('url(', self.page())
        self.assertNotIn('@import', self.page())

    def test_has_a_chart_of_each_series(self):
        titles = [chart.title for chart in charts.all_charts(canned.run())]
        self.assertEqual(titles, ['Latency by size: pipes', 'Throughput by size: pipes',
                                  'Scaling: tasks of a map, chunks by default',
                                  'What a task of a Pool costs'])
        self.assertEqual(self.page().count('<svg'), 4)

    def test_shows_what_is_missed(self):
        self.assertIn('5 of 5 met, 0 missed', self.page())
        self.assertIn('<td class="missed">MISSED</td>', self.page(apply=6000.0))

    def test_says_when_it_was_a_smoke_run(self):
        self.assertNotIn('smoke run', self.page())
        self.assertIn('smoke run', self.page(form='quick'))

    def test_takes_a_task_apart_into_what_it_costs(self):
        rows = charts.task_parts(charts.costs(canned.run()))
        parts = dict(rows[0][1])
        self.assertEqual(parts['crossing between CPUs and back'], 150.0)
        self.assertAlmostEqual(sum(parts.values()), 4000.0)
        self.assertEqual(rows[1][0], 'CPython Pool')


class Figures(unittest.TestCase):
    def test_have_units(self):
        self.assertEqual(stats.time(12.34), '12.3 ns')
        self.assertEqual(stats.time(1_500_000), '1.50 ms')
        self.assertEqual(stats.rate(1_270_000), '1.27 M/s')
        self.assertEqual(stats.size(13.7e9), '13.7 GB')

    def test_spread_is_a_share_of_the_median(self):
        self.assertAlmostEqual(stats.spread([90, 100, 120]), 0.1)


class TheTargetsOfTheTree(unittest.TestCase):
    def test_can_be_read(self):
        wanted = targets.read(ROOT / 'benchmarks/targets.txt')
        self.assertGreater(len(wanted), 70)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
