# SPDX-License-Identifier: Apache-2.0
"""Medians, spreads, and how numbers are written."""
import statistics


def median(values):
    return statistics.median(values)


def spread(values):
    """The median absolute deviation, as a share of the median."""
    middle = statistics.median(values)
    if middle == 0:
        return 0.0
    return statistics.median(abs(value - middle) for value in values) / abs(middle)


def figure(number):
    """Three significant digits, never an exponent."""
    size = abs(number)
    if size >= 100:
        return f'{number:.0f}'
    if size >= 10:
        return f'{number:.1f}'
    if size >= 0.01 or size == 0:
        return f'{number:.2f}'
    return f'{number:.2g}'


def time(ns):
    for unit, scale in (('s', 1e9), ('ms', 1e6), ('us', 1e3)):
        if ns >= scale:
            return f'{figure(ns / scale)} {unit}'
    return f'{figure(ns)} ns'


def size(number):
    for unit, scale in (('GB', 1e9), ('MB', 1e6), ('kB', 1e3)):
        if number >= scale:
            return f'{figure(number / scale)} {unit}'
    return f'{figure(number)} B'


def rate(per_second):
    for unit, scale in (('G', 1e9), ('M', 1e6), ('k', 1e3)):
        if per_second >= scale:
            return f'{figure(per_second / scale)} {unit}/s'
    return f'{figure(per_second)} /s'
