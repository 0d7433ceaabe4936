# SPDX-License-Identifier: Apache-2.0
"""The page in a browser: what it paints is not blank. Skipped where there is no Chromium."""
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'benchmarks'))

import canned  # noqa: E402
from book import report, table  # noqa: E402

SKIPPED = 77  # what ctest takes as skipped
WIDTH, HEIGHT = 900, 1100


def pixels(png):
    """(width, height, rows of bytes, bytes in a pixel) of an 8-bit PNG without interlacing."""
    assert png[:8] == b'\x89PNG\r\n\x1a\n', 'no PNG'
    place, packed, header = 8, b'', None
    while place < len(png):
        size, kind = struct.unpack_from('>I4s', png, place)
        body = png[place + 8:place + 8 + size]
        if kind == b'IHDR':
            header = struct.unpack('>IIBBBBB', body)
        elif kind == b'IDAT':
            packed += body
        place += size + 12
    width, height, depth, colour, _, _, interlaced = header
    assert depth == 8 and colour in (2, 6) and not interlaced, f'unexpected PNG: {header}'
    step = 3 if colour == 2 else 4
    return width, height, unfiltered(zlib.decompress(packed), width * step, step), step


def unfiltered(data, stride, step):
    """Undoes what PNG does to rows (its filters 0 to 4)."""
    rows, above = [], bytearray(stride)
    for start in range(0, len(data), stride + 1):
        kind, row = data[start], bytearray(data[start + 1:start + 1 + stride])
        for i in range(stride):
            left = row[i - step] if i >= step else 0
            corner = above[i - step] if i >= step else 0
            row[i] = (row[i] + predicted(kind, left, above[i], corner)) & 255 if kind else row[i]
        rows.append(bytes(row))
        above = row
    return rows


def predicted(kind, left, up, corner):
    if kind == 1:
        return left
    if kind == 2:
        return up
    if kind == 3:
        return (left + up) // 2
    guess = left + up - corner
    return min((left, up, corner), key=lambda each: abs(guess - each))


def screenshot(chromium, page, folder):
    target = folder / 'page.png'
    subprocess.run(
        [chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
         '--hide-scrollbars', f'--user-data-dir={folder / "profile"}',
         f'--window-size={WIDTH},{HEIGHT}', f'--screenshot={target}', page.as_uri()],
        check=True, capture_output=True, timeout=240)
    return target.read_bytes()


def colours(rows, step, top, bottom):
    """How often each colour is in the rows from `top` to `bottom`."""
    counted = {}
    for row in rows[top:bottom]:
        for start in range(0, len(row), step):
            colour = row[start:start + 3]
            counted[colour] = counted.get(colour, 0) + 1
    return counted


def main():
    chromium = shutil.which('chromium') or shutil.which('chromium-browser')
    if chromium is None:
        print('skipped: no chromium is installed, so nobody looks at the page')
        return SKIPPED
    made = canned.run()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        report.write(folder, made, table.verdicts(canned.wanted(), made))
        width, height, rows, step = pixels(screenshot(chromium, folder / 'index.html', folder))
    assert (width, height) == (WIDTH, HEIGHT), f'{width} x {height}'
    seen = colours(rows, step, 0, height)
    white = seen.get(b'\xff\xff\xff', 0) / (width * height)
    print(f'{len(seen)} colours, {100 * white:.0f} % white')
    assert 0.5 < white < 0.98, 'not a page with something on it'
    ours = bytes.fromhex('0b5fa5')
    assert seen.get(ours, 0) > 500, 'no line of ours in any chart'
    assert len(seen) > 20, 'no text that is smoothed'
    return 0


if __name__ == '__main__':
    sys.exit(main())
