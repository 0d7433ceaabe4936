# SPDX-License-Identifier: Apache-2.0
"""The work of pool_bench, by CPython's multiprocessing.Pool of two workers."""
import multiprocessing

import google


def increment(x):
    return x + 1


def echo(text):
    return text


def apply(state):
    with multiprocessing.Pool(2) as pool:
        def once():
            pool.apply(increment, (1,))
        state.repeat(once)
        state.latency(once)


def mapping(tasks, chunksize):
    def body(state):
        with multiprocessing.Pool(2) as pool:
            state.repeat(lambda: pool.map(increment, range(tasks), chunksize), tasks)
    return body


def echo_of(size):
    def body(state):
        text = 'x' * size
        with multiprocessing.Pool(2) as pool:
            state.repeat(lambda: pool.apply(echo, (text,)))
    return body


def life():
    pool = multiprocessing.Pool(2)
    pool.apply(increment, (1,))
    pool.close()
    pool.join()


if __name__ == '__main__':
    multiprocessing.set_start_method('fork')
    google.add('pool/apply/2w/cpython', apply)
    for count, tasks in (('100', 100), ('10k', 10_000), ('100k', 100_000), ('1M', 1_000_000)):
        if tasks <= 100_000 or not google.QUICK:
            google.add(f'pool/map/{count}/cpython', mapping(tasks, None))
        if tasks <= (10_000 if google.QUICK else 100_000):
            google.add(f'pool/map_one/{count}/cpython', mapping(tasks, 1))
    google.add('pool/echo/1KiB/cpython', echo_of(1 << 10))
    google.add('pool/echo/1MiB/cpython', echo_of(1 << 20))
    google.add('pool/life/2w/cpython', lambda state: state.repeat(life))
    google.main()
