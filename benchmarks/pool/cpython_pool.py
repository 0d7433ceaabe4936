# SPDX-License-Identifier: Apache-2.0
# The rows of pool_bench, by CPython's multiprocessing.Pool of two workers. Prints name and time.
import multiprocessing
import time


def increment(x):
    return x + 1


def echo(text):
    return text


def best(repeat, call):
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times)


def show(name, seconds):
    print(f"{name:40} {seconds * 1e9:14.0f} ns")


def life():
    pool = multiprocessing.Pool(2)
    pool.apply(increment, (1,))
    pool.close()
    pool.join()


def main():
    multiprocessing.set_start_method("fork")
    with multiprocessing.Pool(2) as pool:
        n = 2000
        show("apply", best(3, lambda: [pool.apply(increment, (1,)) for _ in range(n)]) / n)
        xs = range(20000)
        show("map, chunksize 1, per task", best(3, lambda: pool.map(increment, xs, 1)) / len(xs))
        xs = range(1000000)
        show("map, default chunks, per task", best(3, lambda: pool.map(increment, xs)) / len(xs))
        text = "x" * (1 << 20)
        show("1 MiB there and back", best(30, lambda: pool.apply(echo, (text,))))
    show("create, apply, close, join", best(10, life))


if __name__ == "__main__":
    main()
