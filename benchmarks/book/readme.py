# SPDX-License-Identifier: Apache-2.0
"""The part of benchmarks/README.md that a run writes."""
import pathlib

from . import table

BEGIN = '<!-- written by ./dev bench --book -->'
END = '<!-- end of what ./dev bench --book writes -->'


def section(results, verdicts):
    missed = [verdict for verdict in verdicts if verdict.missed]
    unknown = [verdict for verdict in verdicts if verdict.value is None]
    met = len(verdicts) - len(missed) - len(unknown)
    repeated = sum(comparison['repeated'] for comparison in results.comparisons)
    done = sum(len(comparison['rounds']) for comparison in results.comparisons)
    lines = table.machine_lines(results)
    return '\n'.join([
        BEGIN, '', lines[0] + '.', lines[1] + '.', '',
        f'{met} of {len(verdicts)} targets met, {len(missed)} missed, {len(unknown)} not measured. '
        f'{done} rounds, {repeated} repeated because the machine changed meanwhile.', '',
        table.markdown(table.TARGETS, table.target_rows(verdicts)), '',
        'Every comparison:', '',
        table.markdown(table.COMPARISONS, table.comparison_rows(results)), '', END])


def replaced(text, new):
    """`text` with what stands between the marks replaced."""
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError('the README has no place for the tables')
    return before + new + after


def write(path, results, verdicts):
    path = pathlib.Path(path)
    path.write_text(replaced(path.read_text(encoding='utf-8'), section(results, verdicts)),
                    encoding='utf-8')
