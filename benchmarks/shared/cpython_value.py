# SPDX-License-Identifier: Apache-2.0
"""Python's increment of a Value under its lock, in nanoseconds: the row beside BM_Value_Increment."""
import multiprocessing
import time

value = multiprocessing.Value('l', 0)
ROUNDS = 200_000
best = float('inf')
for _ in range(7):
    begin = time.perf_counter()
    for _ in range(ROUNDS):
        with value.get_lock():
            value.value += 1
    best = min(best, (time.perf_counter() - begin) / ROUNDS)
print(f'CPython Value increment: {best * 1e9:.0f} ns')
