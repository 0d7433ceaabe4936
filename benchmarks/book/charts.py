# SPDX-License-Identifier: Apache-2.0
"""The charts of the report: what is drawn of a run, and what each chart says."""
import dataclasses

from . import names
from . import stats
from . import svg


@dataclasses.dataclass(frozen=True)
class Chart:
    title: str
    says: str  # how to read it, in a sentence
    picture: str  # SVG


def costs(results):
    """Median cost in ns, by name."""
    return {name: stats.median([sample['cost_ns'] for sample in results.samples(name)])
            for name in results.names()}


def series(found, value, area, work, placement=''):
    """{impl: [(size, value)...]} of those that have at least two sizes; ours first."""
    paths = {}
    for name, cost in found.items():
        size = names.magnitude(name.size)
        if (name.area, name.work, name.placement) == (area, work, placement) and size:
            paths.setdefault(name, []).append((size, value(size, cost)))
    joined = {}
    for name, points in paths.items():
        joined.setdefault(name.impl, []).extend(points)
    several = {impl: points for impl, points in joined.items() if len(points) > 1}
    return dict(sorted(several.items(), key=lambda item: (not item[0].startswith('mp'), item[0])))


def _cost(_, cost):
    return cost


def _bytes_per_second(size, cost):
    return size * 1e9 / cost


def _per_second(_, cost):
    return 1e9 / cost


def _bytes(size):
    for unit, scale in (('GiB', 2 ** 30), ('MiB', 2 ** 20), ('KiB', 2 ** 10)):
        if size >= scale:
            return f'{size / scale:g} {unit}'
    return f'{size:.0f} B'


def _number(count):
    for unit, scale in (('M', 10 ** 6), ('k', 1000)):
        if count >= scale:
            return f'{count / scale:g} {unit}'
    return f'{count:g}'


def _per_byte(rate):
    return stats.size(rate) + '/s'


# title, sentence, area, work, placement, value, title of x, of y, how x and y are written, base of x
_LINES = (
    ('Latency by size: pipes', 'A message there and back between two CPUs. Lower is faster.',
     'pipe', 'round_trip', '2cpu', _cost, 'size of the message', 'round trip', _bytes, stats.time, 4),
    ('Throughput by size: pipes', 'Messages one way, as fast as they go. Higher is faster.',
     'pipe', 'stream', '2cpu', _bytes_per_second, 'size of the message', 'bytes a second', _bytes,
     _per_byte, 4),
    ('Latency by size: queues', 'The same through two queues, copied in and out.',
     'queue', 'round_trip', '2cpu', _cost, 'size of the item', 'round trip', _bytes, stats.time, 4),
    ('Throughput by size: queues', 'Items one way, as fast as they go. Higher is faster.',
     'queue', 'stream', '2cpu', _bytes_per_second, 'size of the item', 'bytes a second', _bytes,
     _per_byte, 4),
    ('Throughput by number of processes: one queue',
     'Items of 64 bytes; half of the processes put, the others get. Higher is faster.',
     'queue', 'crowd', '2cpu', _per_second, 'processes', 'items a second', _number, stats.rate, 2),
    ('One lock and more and more processes', 'Lock, touch, unlock, as often as it goes. Higher is '
     'faster.', 'lock', 'contended', '', _per_second, 'processes', 'rounds a second', _number,
     stats.rate, 2),
    ('Scaling: a queue that grows', 'Everything is put before anything is got. Lower is cheaper.',
     'queue', 'backlog', '', _cost, 'items in the queue', 'put and get of an item', _number,
     stats.time, 10),
    ('Scaling: tasks of a map, chunks by default', 'A map of so many tasks that do nothing, two '
     'workers. Lower is cheaper.', 'pool', 'map', '', _cost, 'tasks', 'cost of a task', _number,
     stats.time, 10),
    ('Scaling: tasks of a map, one by one', 'The same with chunks of one.',
     'pool', 'map_one', '', _cost, 'tasks', 'cost of a task', _number, stats.time, 10),
    ("Scaling: clients of a manager's server", 'So many wait for a lock; how long one waits who '
     'comes then, from dialling to its first answer.', 'manager', 'clients', '', _cost,
     'clients that wait', 'first answer', _number, stats.time, 10),
)


def all_charts(results):
    found = costs(results)
    charts = []
    for title, says, area, work, place, value, x_title, y_title, show_x, show_y, base in _LINES:
        paths = series(found, value, area, work, place)
        if paths:
            charts.append(Chart(title, says, svg.lines(paths, x_title, y_title, show_x, show_y, base)))
    breakdown = task_parts(found)
    if breakdown:
        charts.append(Chart(
            'What a task of a Pool costs',
            'apply() of a function that does nothing, there and back, taken apart by what was '
            'measured alone: two crossings between CPUs, the rings of two pipes over them, encoding '
            'and running the call; the rest is the bookkeeping of the pool. Below, the same by rivals.',
            svg.bars(breakdown, stats.time)))
    return charts


def task_parts(found):
    """[(name, [(part, ns)...])] of Pool.apply, or nothing if a part was not measured."""
    needed = ('bare/round_trip/line/bare/2cpu', 'pipe/round_trip/64B/mp/2cpu',
              'call/there_and_back/lambda/mp', 'pool/apply/2w/mp')
    try:
        line, pipe, call, apply = (found[names.parse(name)] for name in needed)
    except KeyError:
        return []
    rows = [('mp::Pool', [('crossing between CPUs and back', line),
                          ('two messages in rings', max(0.0, pipe - line)),
                          ('the call: encode, run, decode', call),
                          ('bookkeeping', max(0.0, apply - pipe - call))])]
    for name, title in (('pool/apply/2w/std_thread', 'std::thread pool'),
                        ('pool/apply/2w/tbb', 'oneTBB arena'),
                        ('pool/apply/2w/cpython', 'CPython Pool')):
        if names.parse(name) in found:
            rows.append((title, [('all of it', found[names.parse(name)])]))
    return rows
