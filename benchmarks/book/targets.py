# SPDX-License-Identifier: Apache-2.0
"""What we want of ourselves (targets.txt), and whether it is so.

A line is one of

    NAME  cost    at-most   1.2 x OTHER      costs at most 1.2 times what the other costs
    NAME  speed   at-least  4 x OTHER        at least 4 times as fast as the other
    NAME  cost    at-most   1.5 us           an absolute bound: ns, us, ms, s
    NAME  speed   at-least  300 k/s          operations a second: /s, k/s, M/s
    NAME  COUNTER at-most   1                the counter of that name, or of the other: "1 x OTHER";
                                             with a unit for nanoseconds (ms) and bytes (MiB)

and names are those of benchmarks. '#' begins a comment.
"""
import dataclasses

from . import names
from . import stats

_UNITS = {'ns': 1, 'us': 1e3, 'ms': 1e6, 's': 1e9, '/s': 1, 'k/s': 1e3, 'M/s': 1e6, 'MiB': 2 ** 20}


@dataclasses.dataclass(frozen=True)
class Target:
    ours: names.Name
    measure: str
    at_most: bool
    bound: float  # in ns, 1/s, or the counter's unit; a factor if there is another
    other: names.Name | None = None
    text: str = ''


@dataclasses.dataclass(frozen=True)
class Verdict:
    target: Target
    value: float | None  # None: not measured
    spread: float = 0.0

    @property
    def missed(self):
        if self.value is None:
            return False
        bound = self.target.bound
        return self.value > bound if self.target.at_most else self.value < bound


def read(path):
    with open(path, encoding='utf-8') as lines:
        return parse(lines)


def parse(lines):
    targets = []
    for number, line in enumerate(lines, 1):
        words = line.split('#')[0].split()
        if words:
            try:
                targets.append(_target(words))
            except (ValueError, KeyError, IndexError) as error:
                raise ValueError(f'targets, line {number}: {error}: {line.strip()}') from None
    return targets


def _target(words):
    ours, measure, relation, number, *rest = words
    if relation not in ('at-most', 'at-least'):
        raise ValueError(f'no relation {relation}')
    bound, other = float(number), None
    if rest and rest[0] == 'x':
        other = names.parse(rest[1])
    elif rest or measure in ('cost', 'speed'):
        bound *= _UNITS[rest[0]]
    text = ' '.join([measure, relation.replace('-', ' '), number, *rest])
    return Target(names.parse(ours), measure, relation == 'at-most', bound, other, text)


def judge(target, results):
    """The Verdict, by what was measured (results.Results)."""
    values = _values(target, results)
    if not values:
        return Verdict(target, None)
    return Verdict(target, stats.median(values), stats.spread(values))


def _values(target, results):
    if target.other is None:
        return [_of(sample, target.measure) for sample in results.samples(target.ours)
                if _has(sample, target.measure)]
    ratios = []
    for ours, other in results.pairs(target.ours, target.other):
        if _has(ours, target.measure) and _has(other, target.measure):
            a, b = _of(ours, target.measure), _of(other, target.measure)
            if b:
                ratios.append(a / b)
    return ratios


def _has(sample, measure):
    return measure in ('cost', 'speed') or measure in sample


def _of(sample, measure):
    if measure == 'cost':
        return sample['cost_ns']
    if measure == 'speed':
        return 1e9 / sample['cost_ns']
    return sample[measure]
