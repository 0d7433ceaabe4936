# SPDX-License-Identifier: Apache-2.0
"""Results of a run that never was, for the tests of what is made of them."""
from book import results
from book import targets

MACHINE = {'cpu': 'A Processor', 'cpus': 2, 'memory_GiB': 23, 'virtual': True, 'kernel': '6.1.0',
           'system': 'Debian', 'compiler': 'g++ 12', 'flags': '-O2', 'python': '3.11.2',
           'commit': '0123456789ab', 'date': '2026-01-02 03:04 UTC'}

TARGETS = '''
# comment
pipe/round_trip/64B/mp/2cpu   cost   at-most  1.2 x pipe/round_trip/64B/bare_ring/2cpu
pipe/round_trip/64B/mp/2cpu   speed  at-least 12 x pipe/round_trip/64B/posix_pipe/2cpu  # and why
pool/apply/2w/mp              cost   at-most  5 us
pool/apply/2w/mp              speed  at-least 100 k/s
lock/contended/2p/mp          jain   at-least 0.8
'''


def rounds(ours, other=None, **counters):
    """Three rounds, the middle of which costs so much."""
    made = []
    for factor in (0.9, 1.0, 1.2):
        part = {'ours': {'cost_ns': ours * factor, **counters}, 'bare_ns': [100.0, 101.0]}
        if other is not None:
            part['other'] = {'cost_ns': other * factor}
        made.append(part)
    return made


def run(**costs):
    """The canned Results; costs: of pipe (400), apply (4000) and the fairness of the lock (0.9)."""
    pipe, apply = costs.get('pipe', 400.0), costs.get('apply', 4000.0)
    made = results.Results(MACHINE, costs.get('form', 'long'))
    made.add('pipe/round_trip/64B/mp/2cpu', 'pipe/round_trip/64B/bare_ring/2cpu',
             rounds(pipe, 390.0), 1)
    made.add('pipe/round_trip/64B/mp/2cpu', 'pipe/round_trip/64B/posix_pipe/2cpu',
             rounds(pipe, 8000.0), 0)
    made.add('pipe/round_trip/1MiB/mp/2cpu', 'pipe/round_trip/1MiB/posix_pipe/2cpu',
             rounds(200_000.0, 900_000.0), 0)
    made.add('pipe/stream/64B/mp/2cpu', None, rounds(20.0), 0)
    made.add('pipe/stream/1MiB/mp/2cpu', None, rounds(90_000.0), 0)
    made.add('lock/contended/2p/mp', None, rounds(100.0, jain=costs.get('jain', 0.9)), 0)
    made.add('pool/apply/2w/mp', 'pool/apply/2w/cpython', rounds(apply, 90_000.0), 0)
    made.add('pool/map/100/mp', None, rounds(90.0), 0)
    made.add('pool/map/1M/mp', None, rounds(20.0), 0)
    made.add('call/there_and_back/lambda/mp', None, rounds(30.0), 0)
    made.add('bare/round_trip/line/bare/2cpu', None, rounds(150.0), 0)
    return made


def wanted():
    return targets.parse(TARGETS.splitlines())
