# SPDX-License-Identifier: Apache-2.0
"""worker.py HOST PORT [NAME]: works for a master of mp's, in CPython.

The key is in the file that JOBS_KEY_FILE names.
"""
import os
import sys
from multiprocessing.managers import BaseManager


class Board(BaseManager):
    pass


Board.register("jobs")
Board.register("done")


def count_primes(first, last):
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(max(first, 2), last + 1))


def main(host, port, name="Python"):
    with open(os.environ["JOBS_KEY_FILE"], "rb") as file:
        board = Board((host, int(port)), file.read())
    board.connect()
    jobs, done = board.jobs(), board.done()
    print("ready", flush=True)
    try:
        while True:
            number, first, last = jobs.get()
            done.put((number, count_primes(first, last), name))
            jobs.task_done()
    except (EOFError, ConnectionError):
        pass  # The master has all that it wanted.


main(*sys.argv[1:])
