# SPDX-License-Identifier: Apache-2.0
"""Names of benchmarks: area/work/size/impl, or area/work/size/impl/placement."""
import dataclasses
import re

PLACEMENTS = ('2cpu', '1cpu')

# What Google Benchmark appends to a name.
_APPENDED = re.compile(r'^(real_time|manual_time|process_time|(iterations|repeats|min_time):.*)$')


@dataclasses.dataclass(frozen=True, order=True)
class Name:
    area: str
    work: str
    size: str
    impl: str
    placement: str = ''

    def __str__(self):
        return '/'.join(part for part in dataclasses.astuple(self) if part)

    @property
    def task(self):
        """What is done: benchmarks with equal tasks do the same work in the same place."""
        return self.area, self.work, self.size, self.placement

    @property
    def is_ours(self):
        return self.impl == 'mp' or self.impl.startswith('mp_')


def parse(text):
    """The Name that `text` is, without what Google Benchmark appends. Raises ValueError."""
    parts = text.split('/')
    while parts and _APPENDED.match(parts[-1]):
        parts.pop()
    well_formed = len(parts) == 4 or len(parts) == 5 and parts[4] in PLACEMENTS
    if not well_formed or not all(parts):
        raise ValueError(f'not area/work/size/impl[/placement]: {text}')
    return Name(*parts)


_UNITS = {'B': 1, 'KiB': 1 << 10, 'MiB': 1 << 20, 'GiB': 1 << 30,
          '': 1, 'p': 1, 'w': 1, 'k': 10 ** 3, 'M': 10 ** 6}


def magnitude(size):
    """The number that a size means ("4KiB", "10k", "8p"), or None for a size that is a word."""
    match = re.fullmatch(r'(\d+)([A-Za-z]*)', size)
    if not match or match[2] not in _UNITS:
        return None
    return int(match[1]) * _UNITS[match[2]]
