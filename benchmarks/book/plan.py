# SPDX-License-Identifier: Apache-2.0
"""What is compared with what."""
import re


def comparisons(names, targets, pattern='.'):
    """Pairs (ours, other), and (name, None) for what nothing is compared with.

    Each of ours is paired with each rival that does the same task, and with what a target compares
    it with. `pattern` is a regular expression: a pair is wanted if one of its names matches.
    """
    wanted = re.compile(pattern)
    known = set(names)
    pairs = []
    for ours in (name for name in names if name.is_ours):
        pairs += [(ours, other) for other in names
                  if not other.is_ours and other.task == ours.task]
    for target in targets:
        pair = (target.ours, target.other)
        if target.other and known.issuperset(pair) and pair not in pairs:
            pairs.append(pair)
    paired = {name for pair in pairs for name in pair}
    pairs += [(name, None) for name in names if name not in paired]
    matching = [pair for pair in pairs if any(each and wanted.search(str(each)) for each in pair)]
    return sorted(matching, key=lambda pair: (pair[0], str(pair[1])))
