# SPDX-License-Identifier: Apache-2.0
"""A client of CPython's managers, against CPython's server and against ours (manager_serve)."""
import contextlib
import os
import pathlib
import subprocess
import tempfile
from multiprocessing.managers import SyncManager

import google

KEY = b'secret'
SERVE = pathlib.Path(os.environ.get('MP_BUILD', 'build/release')) / 'benchmarks/manager/manager_serve'


@contextlib.contextmanager
def own_server(tcp):
    with tempfile.TemporaryDirectory() as folder:
        server = SyncManager(('127.0.0.1', 0) if tcp else os.path.join(folder, 'own'), KEY)
        server.start()
        yield server.address
        server.shutdown()


@contextlib.contextmanager
def our_server(tcp):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'ours')
        with subprocess.Popen([SERVE, '0' if tcp else path], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as server:
            port = int(server.stdout.readline())
            yield ('127.0.0.1', port) if tcp else path
            server.stdin.close()


@contextlib.contextmanager
def client_of(server, tcp):
    with server(tcp) as address:
        manager = SyncManager(address, KEY)
        manager.connect()
        yield manager


def call(server, tcp):
    def body(state):
        with client_of(server, tcp) as manager:
            shared = manager.dict()

            def once():
                shared[1] = 2
            state.repeat(once)
            state.latency(once)
    return body


def create(server, tcp):
    def body(state):
        with client_of(server, tcp) as manager:
            state.repeat(manager.dict)
    return body


if __name__ == '__main__':
    kinds = [('cpython', own_server)]
    if SERVE.exists():
        kinds.append(('mp_from_cpython', our_server))
    for impl, server_ in kinds:
        for wire, over_tcp in (('unix', False), ('tcp', True)):
            google.add(f'manager/call/dict_set/{impl}_{wire}', call(server_, over_tcp))
            google.add(f'manager/create_proxy/dict/{impl}_{wire}', create(server_, over_tcp))
    google.main()
