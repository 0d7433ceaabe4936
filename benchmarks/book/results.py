# SPDX-License-Identifier: Apache-2.0
"""What a run measured, and its JSON.

    {"machine": {...}, "form": "quick" or "long",
     "pairs": [{"ours": NAME, "other": NAME or null, "rounds": [ROUND...], "repeated": N}],
     "failed": [TEXT...]}

A round is {"ours": SAMPLE, "other": SAMPLE, "bare_ns": [before, after]}: samples that were taken
one right after the other. A benchmark that nothing is compared with has rounds without "other".
"""
import json

from . import names


class Results:
    def __init__(self, machine, form):
        self.machine = machine
        self.form = form
        self.comparisons = []
        self.failed = []

    def add(self, ours, other, rounds, repeated):
        self.comparisons.append({'ours': str(ours), 'other': str(other) if other else None,
                                 'rounds': rounds, 'repeated': repeated})

    def names(self):
        """All that were measured, in the order of names."""
        found = set()
        for comparison in self.comparisons:
            for side in ('ours', 'other'):
                if comparison[side]:
                    found.add(names.parse(comparison[side]))
        return sorted(found)

    def samples(self, name):
        """All samples of one benchmark, on whichever side it stood."""
        found = []
        for comparison in self.comparisons:
            for side in ('ours', 'other'):
                if comparison[side] == str(name):
                    found += [part[side] for part in comparison['rounds']]
        return found

    def pairs(self, ours, other):
        """The samples of both that were taken together."""
        for comparison in self.comparisons:
            if comparison['ours'] == str(ours) and comparison['other'] == str(other):
                return [(part['ours'], part['other']) for part in comparison['rounds']]
        return []

    def dump(self, path):
        with open(path, 'w', encoding='utf-8') as out:
            json.dump({'machine': self.machine, 'form': self.form, 'pairs': self.comparisons,
                       'failed': self.failed}, out, indent=1)
            out.write('\n')


def load(path):
    with open(path, encoding='utf-8') as text:
        read = json.load(text)
    results = Results(read['machine'], read['form'])
    results.comparisons = read['pairs']
    results.failed = read.get('failed', [])
    return results
