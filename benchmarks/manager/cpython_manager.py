# SPDX-License-Identifier: Apache-2.0
"""cpython_manager.py MANAGER_SERVE: a client of CPython's, against CPython's server and against ours.

Prints what a call and the making of a proxy cost, over unix sockets and TCP.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.managers import SyncManager

KEY = b"secret"


def median(repeat, n, call):
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        for _ in range(n):
            call()
        times.append((time.perf_counter() - begin) / n)
    return statistics.median(times)


def measure(name, address):
    manager = SyncManager(address, KEY)
    manager.connect()
    d = manager.dict()
    tcp = isinstance(address, tuple)
    kind = "tcp" if tcp else "unix"
    print(f"{name:8} {kind:5} d[1] = 2 {median(5, 2000, lambda: d.__setitem__(1, 2)) * 1e6:12.1f} us")
    print(f"{name:8} {kind:5} m.dict() {median(5, 10, manager.dict) * 1e6:12.1f} us", flush=True)


def main(serve):
    with tempfile.TemporaryDirectory() as folder:
        for number, where in enumerate((os.path.join(folder, "own"), ("127.0.0.1", 0))):
            own = SyncManager(where, KEY)
            own.start()
            measure("CPython", own.address)
            own.shutdown()
            path = os.path.join(folder, "ours")
            ours = subprocess.Popen([serve, "0" if number else path], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE)
            port = int(ours.stdout.readline())
            measure("mp", ("127.0.0.1", port) if number else path)
            ours.stdin.close()
            ours.wait()


main(sys.argv[1])
