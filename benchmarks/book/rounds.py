# SPDX-License-Identifier: Apache-2.0
"""Measuring pairs: A B A B ..., with the bare round trip of the machine before and after each.

All programs are children of this process, one at a time, and pin themselves. The bare round trip
says whether the machine stayed as it was meanwhile: a round during which it moved too far is
thrown away and done again, up to a number of times.
"""
import time

from . import programs

# By how much the bare round trip may differ before and after a pair.
MOVED = 1.5


class Runner:
    def __init__(self, benchmarks, bare, form, environment):
        """`benchmarks`: by name; `bare`: the name of the bare round trip, or None for no watch."""
        self.benchmarks = benchmarks
        self.bare = bare
        self.form = form
        self.environment = environment
        self._last_bare = None
        self._seen = {}

    def sample(self, name):
        if self.form.once and name in self._seen:
            return self._seen[name]
        self._seen[name] = programs.run(self.benchmarks[name], self.form.min_time,
                                        self.form.timeout, self.environment)
        return self._seen[name]

    def measure(self, ours, other, rounds):
        """(rounds, how many were repeated); raises programs.Failed.

        No more rounds than anything gets when the pair has taken longer than the form's budget.
        """
        kept, repeated = [], 0
        self._last_bare = None
        began = time.monotonic()
        while len(kept) < rounds:
            if len(kept) >= self.form.rounds and time.monotonic() - began > self.form.budget:
                break
            part, steady = self._round(ours, other)
            if not steady and repeated < self.form.repeats * rounds:
                repeated += 1
            else:
                kept.append(part)
        return kept, repeated

    def _round(self, ours, other):
        before = self._bare_now() if self._last_bare is None else self._last_bare
        part = {'ours': self.sample(ours)}
        if other is not None:
            part['other'] = self.sample(other)
        after = self._bare_now()
        self._last_bare = after
        if after is None:
            return part, True
        part['bare_ns'] = [before, after]
        return part, max(before, after) <= MOVED * min(before, after)

    def _bare_now(self):
        if self.bare is None:
            return None
        bare = programs.run(self.benchmarks[self.bare], 0.01, self.form.timeout, self.environment)
        return bare['cost_ns']
