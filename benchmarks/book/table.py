# SPDX-License-Identifier: Apache-2.0
"""The tables of a run, as text for a terminal or as Markdown for the README."""
from . import names
from . import stats
from . import targets as targets_

COMPARISONS = ('benchmark', 'costs', '±', 'beside', 'which costs', '±', 'times as fast', '±')
TARGETS = ('', 'benchmark', 'wanted', 'seen', '±')


def comparison_rows(results):
    """A row for each pair and for each benchmark alone; the last columns are of the ratio."""
    return [_row(comparison) for comparison in results.comparisons]


def _row(comparison):
    ours = [part['ours']['cost_ns'] for part in comparison['rounds']]
    row = [comparison['ours'], stats.time(stats.median(ours)), _percent(ours)]
    if comparison['other'] is None:
        return row + ['', '', '', '', '']
    theirs = [part['other']['cost_ns'] for part in comparison['rounds']]
    ratios = [b / a for a, b in zip(ours, theirs)]
    return row + [_short(comparison['ours'], comparison['other']), stats.time(stats.median(theirs)),
                  _percent(theirs), stats.figure(stats.median(ratios)), _percent(ratios)]


def _short(ours, other):
    """The implementation alone, if the task is the same."""
    a, b = names.parse(ours), names.parse(other)
    return b.impl if a.task == b.task else other


def _percent(values):
    return f'{100 * stats.spread(values):.0f} %' if len(values) > 1 else ''


def target_rows(verdicts):
    return [[_mark(verdict), str(verdict.target.ours), verdict.target.text, _seen(verdict),
             f'{100 * verdict.spread:.0f} %' if verdict.value is not None else '']
            for verdict in verdicts]


def _mark(verdict):
    if verdict.value is None:
        return 'not measured'
    return 'MISSED' if verdict.missed else 'met'


def _seen(verdict):
    if verdict.value is None:
        return ''
    measure = verdict.target.measure
    if verdict.target.other is None and (measure == 'cost' or measure.endswith('_ns')):
        return stats.time(verdict.value)
    if verdict.target.other is None and measure == 'speed':
        return stats.rate(verdict.value)
    return stats.figure(verdict.value)


def verdicts(wanted, results):
    return [targets_.judge(target, results) for target in wanted]


def text(header, rows):
    """Columns as wide as they must be."""
    lines = [list(header)] + rows
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return '\n'.join('  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
                     for line in lines)


def markdown(header, rows):
    lines = [list(header), ['---'] * len(header)] + rows
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def machine_lines(results):
    """Where the run was made, in two lines."""
    machine = results.machine
    where = 'virtual machine' if machine.get('virtual') else 'machine'
    return [f"{machine['cpus']} CPUs of {machine['cpu']}, {machine['memory_GiB']} GiB, {where}; "
            f"{machine['system']}, kernel {machine['kernel']}",
            f"{machine['compiler']} {machine['flags']}; Python {machine['python']}; "
            f"commit {machine['commit']}; {machine['date']}; {results.form} form"]
