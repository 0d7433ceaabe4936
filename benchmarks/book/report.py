# SPDX-License-Identifier: Apache-2.0
"""One HTML page of a run, which needs nothing but itself."""
import html
import pathlib

from . import charts
from . import table

_STYLE = '''
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; margin: 0 auto; max-width: 1360px;
  padding: 24px; background: #fff }
h1 { font-size: 26px; margin: 0 } h2 { font-size: 19px; margin: 36px 0 4px }
p { margin: 4px 0 12px; max-width: 90ch } .machine { color: #56646f; max-width: none; margin: 0 }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(560px, 1fr)); gap: 12px 28px }
figure { margin: 0 } figcaption b { display: block; font-size: 16px }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: #1c2733 }
svg .grid { stroke: #dde3e8 } svg .title { fill: #56646f } svg .name { font-weight: 600 }
table { border-collapse: collapse; font-size: 13.5px } td, th { padding: 3px 12px 3px 0;
  text-align: left; border-bottom: 1px solid #e6ebef; white-space: nowrap }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.met { color: #23744a } .missed { color: #b3261e; font-weight: 700 } .unknown { color: #8a6d00 }
'''


def page(results, verdicts):
    missed = sum(verdict.missed for verdict in verdicts)
    met = sum(verdict.value is not None and not verdict.missed for verdict in verdicts)
    return '\n'.join([
        '<!DOCTYPE html>', '<html lang="en">', '<head>', '<meta charset="utf-8">',
        '<title>mp, measured</title>', f'<style>{_STYLE}</style>', '</head>', '<body>',
        '<h1>mp, measured</h1>',
        *(f'<p class="machine">{html.escape(line)}</p>' for line in table.machine_lines(results)),
        '<p>Each comparison was measured by turns, one after the other on the same pinned CPUs; what '
        'is shown is the median, and ± the median deviation from it. Every name is '
        'area/work/size/implementation; <b>mp</b> and what begins with it is ours.</p>',
        *_warning(results),
        *_charts(results),
        f'<h2>What we want: {met} of {len(verdicts)} met, {missed} missed</h2>',
        _targets(verdicts), '<h2>Every comparison</h2>',
        '<p>“Times as fast” is the cost of the other divided by ours: more than 1 means that ours '
        'is faster.</p>',
        _comparisons(results), '</body>', '</html>', ''])


def _warning(results):
    if results.form == 'long':
        return []
    return ['<p class="missed">A smoke run: everything ran once and briefly. Its figures mean '
            'little.</p>']


def _charts(results):
    drawn = charts.all_charts(results)
    if not drawn:
        return []
    figures = [f'<figure><figcaption><b>{html.escape(chart.title)}</b>{html.escape(chart.says)}'
               f'</figcaption>{chart.picture}</figure>' for chart in drawn]
    return ['<h2>How it grows, and beside what</h2>', '<div class="charts">', *figures, '</div>']


def _targets(verdicts):
    rows = []
    for verdict, row in zip(verdicts, table.target_rows(verdicts)):
        kind = 'unknown' if verdict.value is None else 'missed' if verdict.missed else 'met'
        rows.append([(row[0], kind), (row[1], ''), (row[2], ''), (row[3], 'number'),
                     (row[4], 'number')])
    return _table(table.TARGETS, rows)


def _comparisons(results):
    kinds = ('', 'number', 'number', '', 'number', 'number', 'number', 'number')
    return _table(table.COMPARISONS,
                  [list(zip(row, kinds)) for row in table.comparison_rows(results)])


def _table(header, rows):
    lines = ['<table>', '<tr>' + ''.join(f'<th>{html.escape(cell)}</th>' for cell in header) + '</tr>']
    for row in rows:
        cells = ''.join(f'<td class="{kind}">{html.escape(cell)}</td>' if kind else
                        f'<td>{html.escape(cell)}</td>' for cell, kind in row)
        lines.append(f'<tr>{cells}</tr>')
    return '\n'.join(lines + ['</table>'])


def write(folder, results, verdicts):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'index.html').write_text(page(results, verdicts), encoding='utf-8')
