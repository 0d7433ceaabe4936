# SPDX-License-Identifier: Apache-2.0
"""A client of CPython's against a server of mp's: client.py WHERE TEST

WHERE is the path of a unix socket or host:port. Each test is a function that takes a connected
SyncManager; what it asserts is what CPython's own server does.
"""
import faulthandler
import gc
import math
import multiprocessing
import os
import queue
import sys
import threading
import time
from multiprocessing import context, resource_tracker
from multiprocessing.managers import (
    NamespaceProxy,
    RemoteError,
    SharedMemoryManager,
    SyncManager,
    Token,
    dispatch,
)
from multiprocessing.shared_memory import SharedMemory

KEY = b"secret"
FAR = 30  # seconds; longer than any of this takes


class Manager(SyncManager):
    pass


for name in ("set", "Counter", "scores", "jobs", "results", "queue_of_the_tree", "unknown", "lock", "permits", "event"):
    Manager.register(name)
Manager.register("board", proxytype=NamespaceProxy)


def address_of(where):
    host, colon, port = where.rpartition(":")
    return (host, int(port)) if colon else where


WHERE = address_of(sys.argv[1])


def connect():
    manager = Manager(WHERE, KEY)
    manager.connect()
    return manager


def raises(kind, function, *args, **kwds):
    try:
        function(*args, **kwds)
    except kind as error:
        assert type(error) is kind or kind is Exception, repr(error)
        return error
    raise AssertionError(f"{kind} was not raised")


def in_thread(function, *args):
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*args)))
    thread.start()

    def join():
        thread.join(FAR)
        assert not thread.is_alive()
        return result[0]

    return join


def eventually(condition):
    end = time.monotonic() + FAR
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_dict(m):
    d = m.dict({"a": 1}, b=[2, {"c": None}])
    d["e"] = (1.5, True, b"\xff", "h\u00e9", 2**100, {3})
    assert d["e"] == (1.5, True, b"\xff", "h\u00e9", 2**100, {3})
    assert len(d) == 3 and "a" in d and "z" not in d
    assert d.keys() == ["a", "b", "e"] and d.values()[0] == 1
    assert d.items()[1] == ("b", [2, {"c": None}])
    assert list(iter(d)) == ["a", "b", "e"]
    assert d.get("z") is None and d.get("z", 5) == 5 and d.get("a", 5) == 1
    assert raises(KeyError, lambda: d["z"]).args == ("z",)
    assert raises(KeyError, d.__delitem__, ("z", 1)).args == (("z", 1),)
    del d["a"]
    assert d.pop("b") == [2, {"c": None}] and d.pop("b", 0) == 0
    raises(KeyError, d.pop, "b")
    assert d.setdefault("s", 7) == 7 and d.setdefault("s", 8) == 7
    d.update({"t": 1}, u=2)
    d.update([("v", 3)])
    assert d.copy() == d._getvalue() and d.copy()["v"] == 3
    assert d.popitem() == ("v", 3)
    assert str(m.dict({"k": [1, "x"]})) == "{'k': [1, 'x']}"
    d.clear()
    assert d.copy() == {} and not len(d)
    raises(KeyError, d.popitem)
    raises(TypeError, d.__setitem__, [], 1)
    d[1] = "int"
    d[1.0] = "float"
    assert d.copy() == {1: "float"} and d[True] == "float"
    d[(1, "k")] = d[frozenset([2, 1])] = 0
    assert (1.0, "k") in d and frozenset([1, 2]) in d
    assert d._callmethod("increment", ("n", 4)) == 4 and d._callmethod("increment", ("n",)) == 5
    assert d._callmethod("__or__", ({"n": 0},))["n"] == 0
    error = raises(RemoteError, d._callmethod, "no_such_method")
    assert "AttributeError" in str(error), error
    raises(RemoteError, d._callmethod, "__class__")
    m.dict().update(d)


def test_list(m):
    x = m.list([3, 1, 2])
    x.append("s")
    assert x[:] == [3, 1, 2, "s"] and x[-1] == "s" and len(x) == 4
    assert x[1:3] == [1, 2] and x[::-1] == ["s", 2, 1, 3] and x[5:] == []
    assert raises(IndexError, lambda: x[9]).args == ("list index out of range",)
    raises(TypeError, lambda: x["a"])
    raises(TypeError, x.sort)
    assert x[:] == [3, 1, 2, "s"]
    assert x.pop() == "s" and x.pop(0) == 3
    x.extend((9, 8))
    x += [7]
    x *= 2
    assert x[:] == [1, 2, 9, 8, 7] * 2
    x.sort(reverse=True)
    assert x[:4] == [9, 9, 8, 8]
    del x[::2]
    x[0] = "zero"
    x[1:3] = [True, None, 1.5]
    assert x[:] == ["zero", True, None, 1.5, 2, 1], x[:]
    x[::2] = "abc"
    assert x[:] == ["a", True, "b", 1.5, "c", 1]
    raises(ValueError, x.__setitem__, slice(0, 4, 2), [1])
    assert [y for y in x] == x[:]
    assert x.index(1.5) == 3 and x.count(1) == 2 and 1.0 in x and "q" not in x
    x.remove(True)
    assert raises(ValueError, x.remove, "q").args
    x.insert(0, "first")
    x.reverse()
    assert x[-1] == "first" and list(reversed(x))[0] == "first"
    assert x + [1] == x[:] + [1] and x * 2 == x[:] * 2
    assert str(m.list([1, "a"])) == "[1, 'a']"
    raises(IndexError, m.list().pop)
    assert m.list() * 2**62 == [] and m.list([1]) * -1 == []
    raises(MemoryError, m.list([1]).__mul__, 2**62)
    assert m.list(range(5))[:] == [0, 1, 2, 3, 4]
    assert m.list("ab")[:] == ["a", "b"]
    raises(TypeError, m.list, 5)
    assert m.list(x)[:] == x[:]
    big = m.list(range(100000))
    assert sum(big[:]) == sum(range(100000))


def test_set(m):
    s = m.set([1, 2, 2])
    s.add(3)
    assert len(s) == 3 and 2 in s and s.copy() == {1, 2, 3}
    assert s | {4} == {1, 2, 3, 4} and s & {1, 9} == {1}
    assert s - {1} == {2, 3} and s ^ {1, 5} == {2, 3, 5}
    assert s.union([8], [9]) == {1, 2, 3, 8, 9} and s.issubset({1, 2, 3, 4})
    assert s.isdisjoint([7]) and s.issuperset({1})
    s.discard(9)
    raises(KeyError, s.remove, 9)
    s.update([5], [6])
    s.difference_update([1, 2])
    assert sorted(iter(s)) == [3, 5, 6]
    s.clear()
    raises(KeyError, s.pop)


def test_namespace(m):
    n = m.Namespace(x=10)
    n.y = [1]
    n.x += 1
    assert (n.x, n.y) == (11, [1])
    del n.x
    raises(AttributeError, lambda: n.x)
    assert str(n) == "Namespace(y=[1])"
    copy = n._getvalue()
    assert copy.y == [1]


def test_value_and_array(m):
    v = m.Value("i", 5)
    v.value += 2
    assert v.value == 7 and v.get() == 7
    v.set("any")
    assert v.value == "any"
    a = m.Array("d", [1, 2, 3])
    a[0] = 1.5
    assert a[0] == 1.5 and len(a) == 3 and a[1:] == [2, 3]
    a[1:] = [8, 9]
    assert list(a) == [1.5, 8, 9]
    raises(IndexError, lambda: a[3])
    raises(ValueError, a.__setitem__, slice(0, 1), [1, 2])


def test_queues(m):
    for q in (m.Queue(2), m.JoinableQueue(2)):
        q.put({"job": 1})
        q.put("two", timeout=1)
        raises(queue.Full, q.put_nowait, 3)
        raises(queue.Full, q.put, 3, True, 0.01)
        raises(queue.Full, q.put, 3, block=False)
        assert q.qsize() == 2 and q.full() and not q.empty()
        assert q.get() == {"job": 1} and q.get_nowait() == "two"
        raises(queue.Empty, q.get_nowait)
        raises(queue.Empty, q.get, timeout=0.01)
        raises(ValueError, q.get, timeout=-5)
        joined = in_thread(q.join)
        q.task_done()
        q.task_done()
        joined()
        raises(ValueError, q.task_done)
        # A job belongs to its getter until it is done, over TCP to his thread.
        got = in_thread(lambda: (q.get(), q.task_done())[0])
        q.put("late")
        assert got() == "late"
        q.put(1), q.put(2)
        put = in_thread(q.put, 3)
        assert [q.get(), q.get(), q.get(timeout=FAR)] == [1, 2, 3]
        put()


def test_event(m):
    e = m.Event()
    assert not e.is_set() and not e.wait(0.01)
    waits = [in_thread(e.wait) for _ in range(3)]
    e.set()
    assert all(wait() for wait in waits) and e.wait(timeout=FAR)
    e.clear()
    assert not e.is_set()


def test_locks(m):
    lock = m.Lock()
    with lock:
        assert not lock.acquire(False) and not lock.acquire(True, 0.01)
        # Any thread may release it.
        in_thread(lock.release)()
        assert lock.acquire(timeout=FAR)
    raises(RuntimeError, lock.release)
    raises(ValueError, lock._callmethod, "acquire", (False, 5))
    rlock = m.RLock()
    with rlock, rlock:
        assert not in_thread(rlock.acquire, False)()
        in_thread(lambda: raises(RuntimeError, rlock.release))()
    assert in_thread(lambda: rlock.acquire() and rlock.release() is None)()
    # Fair, and many at once.
    count = m.Value("i", 0)

    def add():
        for _ in range(20):
            with lock:
                count.value += 1

    for join in [in_thread(add) for _ in range(4)]:
        join()
    assert count.value == 80


def test_semaphores(m):
    s = m.Semaphore(2)
    assert s.acquire() and s.acquire(False) and not s.acquire(False) and not s.acquire(True, 0.01)
    got = in_thread(s.acquire)
    s.release()
    assert got()
    s._callmethod("release", (2,))
    b = m.BoundedSemaphore(1)
    b.acquire()
    b.release()
    raises(ValueError, b.release)
    raises(ValueError, m.Semaphore, -1)


def test_condition(m):
    for c in (m.Condition(), m.Condition(m.Lock())):
        raises(RuntimeError, c.notify)
        raises(RuntimeError, c.wait)
        ready = m.list()

        def wait():
            with c:
                ready.append(1)
                return c.wait(FAR)

        waits = [in_thread(wait) for _ in range(3)]
        eventually(lambda: len(ready) == 3)
        with c:
            c.notify(2)
            c.notify_all()
        assert all(join() for join in waits)
        with c:
            assert not c.wait(0.01)
            assert c.wait_for(lambda: 5) == 5


def test_barrier(m):
    b = m.Barrier(3)
    assert (b.parties, b.n_waiting, b.broken) == (3, 0, False)
    joins = [in_thread(b.wait) for _ in range(3)]
    assert sorted(join() for join in joins) == [0, 1, 2]
    broken = in_thread(lambda: raises(threading.BrokenBarrierError, b.wait))
    eventually(lambda: b.n_waiting == 1)
    b.abort()
    broken()
    assert b.broken
    b.reset()
    raises(threading.BrokenBarrierError, b.wait, 0.01)
    raises(threading.BrokenBarrierError, m.Barrier(2, timeout=0.01).wait)
    raises(TypeError, m.Barrier, 2, len)
    raises(ValueError, m.Barrier, 0)


def test_nested_proxies(m):
    multiprocessing.current_process().authkey = KEY
    inner = m.list([1])
    outer = m.dict({"inner": inner})
    outer["pair"] = (inner, [m.dict(k=1)])
    outer["inner"].append(2)
    assert inner[:] == [1, 2]
    assert outer["pair"][1][0]["k"] == 1
    before = m._number_of_objects()
    del inner
    assert outer["inner"][:] == [1, 2] and m._number_of_objects() == before
    table = m.list([m.list(range(i)) for i in range(3)])
    assert [len(row) for row in table] == [0, 1, 2]
    before = m._number_of_objects()
    table.pop()
    assert len(table) == 2 and m._number_of_objects() == before - 1
    q = m.Queue()
    q.put(table)
    assert len(q.get()) == 2


def test_references(m):
    base = m._number_of_objects()
    d = m.dict()
    assert m._number_of_objects() == base + 1
    assert "dict" in m._debug_info()
    token = d._token
    it = iter(m.dict(a=1))
    assert next(it) == "a"
    raises(StopIteration, next, it)
    del it
    gc.collect()  # of the frame that has raised StopIteration
    ghost = type(d)(token, "pickle", manager=m, authkey=KEY)
    del d
    ghost["x"] = 1
    assert m._number_of_objects() == base + 1
    del ghost
    assert m._number_of_objects() == base
    gone = Manager(WHERE, KEY)
    gone.connect()
    raises(RemoteError, m.unknown)
    from multiprocessing.managers import DictProxy
    raises(RemoteError, DictProxy, Token("dict", WHERE, "fffff"), "pickle", m, KEY)
    raises(RemoteError, DictProxy, Token("dict", WHERE, "no id"), "pickle", m, KEY)


def worker(d, x, lock, number):
    d[number] = os.getpid()
    for _ in range(10):
        with lock:
            x[0] += 1


def test_processes(m):
    """Proxies as arguments of processes, by fork and by spawn."""
    multiprocessing.current_process().authkey = KEY
    for method in ("fork", "spawn"):
        d, x, lock = m.dict(), m.list([0]), m.Lock()
        ctx = multiprocessing.get_context(method)
        workers = [ctx.Process(target=worker, args=(d, x, lock, i)) for i in range(3)]
        for each in workers:
            each.start()
        for each in workers:
            each.join(FAR)
            assert each.exitcode == 0
        assert x[0] == 30 and len(set(d.values())) == 3
    resource_tracker._resource_tracker._stop()


def test_wrong_key(m):
    raises(context.AuthenticationError, Manager(WHERE, b"wrong").connect)
    assert m.list([1])[:] == [1]


def test_registered_class(m):
    c = m.Counter(5)
    assert c.add(3) == 8 and c.name() == "counter"
    error = raises(ValueError, c.fail, "no luck")
    assert "no luck" in str(error)
    assert c.echo([1, 2, 3]) == [1, 2, 3]
    assert c.point((1, 2.5)) == (2, 5.0)
    raises(TypeError, c.add, "text")
    raises(ValueError, c.add)
    raises(ValueError, c.add, 2**40)
    raises(RemoteError, c._callmethod, "audit")
    assert "AttributeError" in str(raises(RemoteError, c._callmethod, "audit"))
    assert raises(IndexError, c.get, 7).args
    raises(ValueError, m.Counter, -1)


def square(x):
    raise NotImplementedError("what the server has registered runs, not this")


def unregistered(x):
    return x


def test_pool(m):
    """Functions are named: by a function of that name, or by a str."""
    with m.Pool(2) as pool:
        assert pool.apply(square, (7,)) == 49
        assert pool.apply("square", args=[8]) == 64
        assert pool.apply(math.sqrt, (9,)) == 3.0
        assert pool.apply("joined", ("a", "b")) == "ab" and pool.apply("nothing") is None
        assert pool.apply("lengths", ([[1, 2], []],)) == {"0": 2, "1": 0}
        assert pool.map(square, range(100)) == [x * x for x in range(100)]
        assert pool.map(square, [1, 2, 3], chunksize=2) == [1, 4, 9]
        assert pool.map(square, []) == [] and pool.map("nothing", []) == []
        assert pool.starmap("joined", [("a", "b"), ["c", "d"]]) == ["ab", "cd"]
        result = pool.map_async(square, (4, 5))
        assert result.get() == result.get(FAR) == [16, 25]
        result.wait()
        assert result.ready() and result.successful()
        assert pool.starmap_async("joined", [("x", "y")]).get() == ["xy"]
        assert list(pool.imap(square, range(10))) == [x * x for x in range(10)]
        assert list(pool.imap(square, range(10), 4)) == [x * x for x in range(10)]
        assert sorted(pool.imap_unordered(square, [3, 1, 2])) == [1, 4, 9]
        walk = pool.imap(square, [1, -1, 2])
        assert next(walk) == 1
        raises(ValueError, next, walk)
        assert next(walk) == 4
        raises(StopIteration, next, walk)
        # What the function throws, and what it is not.
        assert "negative" in str(raises(ValueError, pool.apply, square, (-1,)))
        raises(ValueError, pool.map, square, [1, -1])
        bad = pool.apply_async(square, (-1,))
        bad.wait(FAR)
        assert bad.ready() and not bad.successful()
        raises(ValueError, bad.get)
        raises(TypeError, pool.apply, square, ("text",))
        raises(ValueError, pool.apply, square, (1, 2))
        assert "unregistered" in str(raises(AttributeError, pool.map, unregistered, [1]))
        raises(AttributeError, pool.apply, "no such")
        raises(TypeError, pool.apply, 5)
        raises(TypeError, pool.apply, square, (1,), {"x": 1})
        raises(TypeError, pool.map, square, 5)
        raises(TypeError, pool.apply_async, square, (1,), callback=print)
        raises(ValueError, pool.map, square, [1], 0)
        # One that takes its time.
        late = pool.apply_async("wait_for", (m.event(),))
        raises(multiprocessing.TimeoutError, late.get, 0.01)
        raises(ValueError, late.successful)
        assert not late.ready() and late.wait(0.01) is None
        m.event().set()
        assert late.get() is True
        # A dead worker is one call's.
        raises(multiprocessing.ProcessError, pool.apply, "die")
        assert pool.apply(square, (2,)) == 4
    raises(ValueError, m.Pool(1).join)
    raises(ValueError, m.Pool, 0)
    raises(TypeError, m.Pool, 1, print)
    pool = m.Pool(processes=1, maxtasksperchild=1)
    last = pool.map_async(square, [1, 2])
    pool.close()
    pool.join()
    assert last.get() == [1, 4]
    raises(ValueError, pool.apply, square, (1,))
    # The result outlives its pool's proxy.
    assert m.Pool(1).map_async(square, [6]).get() == [36]


def test_typed_objects(m):
    """Objects that C++ has given types: values become those types, or are refused."""
    scores = m.scores()
    assert scores.copy() == {"anna": 7}, scores.copy()
    scores["ben"] = 8
    raises(TypeError, scores.__setitem__, "carl", "much")
    raises(TypeError, scores.__setitem__, 5, 5)
    raises(ValueError, scores.__setitem__, "carl", 2**40)
    assert scores.pop("anna") == 7 and scores.keys() == ["ben"]
    assert raises(KeyError, scores.pop, "anna").args == ("anna",)
    jobs, results = m.jobs(), m.results()
    job = jobs.get()
    assert job == (1, "one"), job
    jobs.task_done()
    jobs.put((2, "two"))
    raises(TypeError, jobs.put, "no job")
    results.put({"python": [1, 2]})
    m.board().python = 3.5
    assert m.board().cpp == "text"
    m.queue_of_the_tree().put(41)
    got = in_thread(m.queue_of_the_tree().get)
    assert got() == 42


def test_shutdown(m):
    m.dict()
    conn = m._Client(WHERE, authkey=KEY)
    dispatch(conn, None, "shutdown")
    eventually(lambda: not alive())


def alive():
    try:
        Manager(WHERE, KEY).connect()
        return True
    except (OSError, EOFError):
        return False


def test_shared_memory(m):
    manager = SharedMemoryManager(WHERE, KEY)
    manager.connect()
    block, row = manager.SharedMemory(64), manager.ShareableList([1, "a"])
    with manager._Client(WHERE, authkey=KEY) as conn:
        assert sorted(dispatch(conn, None, "list_segments")) == sorted([block.name, row.shm.name])
    with manager._Client(WHERE, authkey=KEY) as conn:
        dispatch(conn, None, "release_segment", (block.name,))
    raises(FileNotFoundError, SharedMemory, block.name)
    with manager._Client(WHERE, authkey=KEY) as conn:
        raises(IndexError, dispatch, conn, None, "release_segment", (block.name,))
    row.shm.close()
    row.shm.unlink()
    resource_tracker.unregister("/" + block.name, "shared_memory")
    resource_tracker._resource_tracker._stop()


def hold_everything(m):
    """For a test that kills us: announces what it holds and waits."""
    lock, permits, jobs = m.lock(), m.permits(), m.jobs()
    lock.acquire()
    permits.acquire()
    job = jobs.get()
    print("holding", job[0], flush=True)
    time.sleep(3600)


def wait_for_everything(m):
    """The same for one that waits."""
    for function in (m.lock().acquire, m.jobs().get):
        threading.Thread(target=function, daemon=True).start()
    print("waiting", flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(FAR, exit=True)
    globals()[sys.argv[2]](connect())
