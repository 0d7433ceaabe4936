# SPDX-License-Identifier: Apache-2.0
"""Values, locks, pipes and queues of CPython's multiprocessing."""
import multiprocessing

import google

MESSAGE = b'x' * 64


def value_increment(state):
    value = multiprocessing.Value('l', 0)

    def many():
        for _ in range(1000):
            with value.get_lock():
                value.value += 1
    state.repeat(many, 1000)


def lock_unlock(state):
    lock = multiprocessing.Lock()

    def many():
        for _ in range(1000):
            lock.acquire()
            lock.release()
    state.repeat(many, 1000)


def empty():
    pass


def start_join(state):
    def once():
        child = multiprocessing.Process(target=empty)
        child.start()
        child.join()
    state.repeat(once)


def answer_pipe(end):
    google.pin(1)
    while True:
        end.send_bytes(end.recv_bytes())


def pipe_round_trip(state):
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.Process(target=answer_pipe, args=(theirs,), daemon=True)
    child.start()
    google.pin(0)

    def once():
        ours.send_bytes(MESSAGE)
        ours.recv_bytes()
    state.repeat(once)
    state.latency(once)


def answer_queue(there, back):
    google.pin(1)
    while True:
        back.put(there.get())


def queue_round_trip(state):
    there, back = multiprocessing.Queue(), multiprocessing.Queue()
    child = multiprocessing.Process(target=answer_queue, args=(there, back), daemon=True)
    child.start()
    google.pin(0)

    def once():
        there.put(MESSAGE)
        back.get()
    state.repeat(once)
    state.latency(once)


def drain(queue, done, count):
    google.pin(1)
    while True:
        for _ in range(count):
            queue.get()
        done.release()


def one_to_one(state):
    count = 2000 if google.QUICK else 20_000
    queue, done = multiprocessing.Queue(), multiprocessing.Semaphore(0)
    child = multiprocessing.Process(target=drain, args=(queue, done, count), daemon=True)
    child.start()
    google.pin(0)

    def many():
        for _ in range(count):
            queue.put(MESSAGE)
        done.acquire()
    state.repeat(many, count)


if __name__ == '__main__':
    multiprocessing.set_start_method('fork')
    google.add('value/increment/-/cpython', value_increment)
    google.add('lock/lock_unlock/-/cpython', lock_unlock)
    google.add('process/start_join/small/cpython', start_join)
    google.add('pipe/round_trip/64B/cpython/2cpu', pipe_round_trip)
    google.add('queue/round_trip/64B/cpython/2cpu', queue_round_trip)
    google.add('queue/one_to_one/64B/cpython/2cpu', one_to_one)
    google.main()
