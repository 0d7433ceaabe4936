# SPDX-License-Identifier: Apache-2.0
"""Charts as SVG: lines over logarithmic axes, and bars made of parts."""
import html
import math
import re

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 86, 150, 14, 46

# Colours that are told apart by those who see few; ours is the first, and a rival has the same in
# every chart.
COLOURS = ('#0b5fa5', '#d1495b', '#66a182', '#edae49', '#8d6a9f', '#4f6d7a', '#c06c2b', '#2e4057',
           '#a3a847', '#b83b9c')
_given = {}


def colour_of(name):
    """The colour of an implementation. There are fewer colours than names."""
    if name not in _given:
        ours = name == 'mp' or name.startswith('mp_')
        _given[name] = COLOURS[0] if ours else COLOURS[1 + len(_given) % (len(COLOURS) - 1)]
    return _given[name]


def _ticks(low, high, base):
    """Powers of `base` from below `low` to above `high`, at most nine."""
    first = math.floor(math.log(low, base) + 1e-9)
    last = math.ceil(math.log(high, base) - 1e-9)
    step = max(1, math.ceil((last - first) / 8))
    last = first + step * max(1, math.ceil((last - first) / step))
    return [float(base) ** exponent for exponent in range(first, last + 1, step)]


class _Axis:
    def __init__(self, values, base, start, end):
        self.ticks = _ticks(min(values), max(values), base)
        self.start, self.end = start, end

    def at(self, value):
        low, high = math.log(self.ticks[0]), math.log(self.ticks[-1])
        return self.start + (math.log(value) - low) / (high - low) * (self.end - self.start)


def _text(x, y, words, anchor='middle', extra=''):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>'
            f'{html.escape(words)}</text>')


def _plain(label):
    """A round number without its zeros behind the point."""
    return re.sub(r'\.0+(?= |$)', '', label)


def _frame(x_axis, y_axis, x_title, y_title, show_x, show_y):
    bottom = HEIGHT - BOTTOM
    parts = []
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        parts.append(_text(LEFT - 6, y + 4, _plain(show_y(tick)), 'end'))
    for tick in x_axis.ticks:
        x = x_axis.at(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(_text(x, bottom + 16, _plain(show_x(tick))))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - 8, x_title, extra=' class="title"'))
    parts.append(_text(0, 0, y_title, extra=f' class="title" transform="translate(13 '
                                            f'{(TOP + bottom) / 2:.0f}) rotate(-90)"'))
    return parts


def lines(series, x_title, y_title, show_x, show_y, x_base=10):
    """`series`: {name: [(x, y)...]} with positive numbers; both axes are logarithmic."""
    points = [point for path in series.values() for point in path]
    x_axis = _Axis([x for x, _ in points], x_base, LEFT, WIDTH - RIGHT)
    y_axis = _Axis([y for _, y in points], 10, HEIGHT - BOTTOM, TOP)
    parts = _frame(x_axis, y_axis, x_title, y_title, show_x, show_y)
    for name, path in series.items():
        colour = colour_of(name)
        places = [(x_axis.at(x), y_axis.at(y)) for x, y in sorted(path)]
        joined = ' '.join(f'{x:.1f},{y:.1f}' for x, y in places)
        thick = 3 if colour == COLOURS[0] else 1.6
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="{thick}" points="{joined}"/>')
        for (x, y), (size, value) in zip(places, sorted(path)):
            note = f'{name}: {show_x(size)}, {show_y(value)}'
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" fill="{colour}">'
                         f'<title>{html.escape(note)}</title></circle>')
    ends = {name: y_axis.at(sorted(path)[-1][1]) for name, path in series.items()}
    return _svg(parts + _legend(ends))


def _legend(ends):
    """Names at the right, in the order in which the lines end, not over one another."""
    parts, last = [], TOP - 6
    room = HEIGHT - BOTTOM - 15 * len(ends)
    for place, name in enumerate(sorted(ends, key=ends.get)):
        last = max(last + 15, min(ends[name] + 4, room + 15 * (place + 1)))
        parts.append(_text(WIDTH - RIGHT + 12, last, name, 'start',
                           f' class="name" fill="{colour_of(name)}"'))
    return parts


def bars(rows, show):
    """`rows`: [(name, [(part, value)...])]: a bar each, its parts one after the other."""
    most = max(sum(value for _, value in parts) for _, parts in rows)
    colours = {}
    for _, parts in rows:
        for part, _ in parts:
            colours.setdefault(part, COLOURS[len(colours) % len(COLOURS)])
    drawn, y = [], TOP
    for name, parts in rows:
        x = 130.0
        drawn.append(_text(x - 8, y + 17, name, 'end'))
        for part, value in parts:
            width = value / most * (WIDTH - 130 - 90)
            note = f'{part}: {show(value)}'
            drawn.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="25" '
                         f'fill="{colours[part]}"><title>{html.escape(note)}</title></rect>')
            x += width
        drawn.append(_text(x + 6, y + 17, show(sum(value for _, value in parts)), 'start'))
        y += 36
    for part, colour in colours.items():
        drawn.append(f'<rect x="130" y="{y + 4}" width="12" height="12" fill="{colour}"/>')
        drawn.append(_text(148, y + 15, part, 'start'))
        y += 19
    return _svg(drawn, y + 10)


def _svg(parts, height=HEIGHT):
    return (f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
            f'xmlns="http://www.w3.org/2000/svg">\n' + '\n'.join(parts) + '\n</svg>')
