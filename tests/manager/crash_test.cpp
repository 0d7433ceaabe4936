// SPDX-License-Identifier: Apache-2.0
// Clients and servers that are killed.
#include <csignal>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/manager.hpp"
#include "mp/process.hpp"

#include "support/start_methods.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void stay() {
  for (;;) {
    ::pause();
  }
}

class ManagerCrash : public test::StartMethodTest {
 protected:
  ManagerCrash() : manager{{.start = GetParam()}} { manager.start(); }
  // A child that does `what`, says so, and stays until it is killed.
  template <class F, class... Args>
  void do_and_be_killed(F what, const Args&... args) {
    auto said = manager.Event();
    Process child{{.start = GetParam()},
                  [](F f, EventProxy done, Args... a) {
                    f(a...);
                    done.set();
                    stay();
                  },
                  what,
                  said,
                  args...};
    child.start();
    ASSERT_TRUE(said.wait(20s));
    child.kill();
    child.join();
  }
  Manager manager;
};
MP_FOR_ALL_START_METHODS(ManagerCrash);

TEST_P(ManagerCrash, TheNextOneLearnsThatTheLocksOwnerDied) {
  const auto lock = manager.Lock();
  do_and_be_killed([](LockProxy mine) { mine.acquire(); }, lock);
  EXPECT_THROW((void)lock.acquire(20s), OwnerDied);
  EXPECT_THROW(lock.release(), OwnerDied);
  EXPECT_TRUE(lock.recover());
  lock.release();
  EXPECT_TRUE(lock.acquire(0s));
}

TEST_P(ManagerCrash, WhoWaitsForTheLockLearnsItToo) {
  const auto lock = manager.RLock();
  auto held = manager.Event();
  Process child{{.start = GetParam()},
                [](RLockProxy mine, EventProxy done) {
                  mine.acquire();
                  done.set();
                  stay();
                },
                lock,
                held};
  child.start();
  ASSERT_TRUE(held.wait(20s));
  auto pending = lock.raw().call_async<bool>("acquire", std::int64_t{-1});
  EXPECT_FALSE(lock.try_lock());  // sent after it, so it waits by now
  child.kill();
  EXPECT_THROW((void)pending.get(), OwnerDied);
  child.join();
}

TEST_P(ManagerCrash, PermitsAndReferencesComeBack) {
  const auto permits = manager.BoundedSemaphore(1);
  const auto list = manager.list<int>();
  do_and_be_killed(
      [](BoundedSemaphoreProxy mine, ListProxy<int> kept) {
        mine.acquire();
        kept.append(1);
      },
      permits, list);
  EXPECT_TRUE(permits.acquire(20s));
}

TEST_P(ManagerCrash, AJobInHandGoesToTheNextWorker) {
  const auto jobs = manager.JoinableQueue<int>();
  jobs.put_many(std::vector{1, 2, 3});
  do_and_be_killed(
      [](JoinableQueueProxy<int> mine) {
        (void)mine.get();
        (void)mine.get();
        mine.task_done();  // the first
      },
      jobs);
  EXPECT_EQ(jobs.get(20s), 2);
  EXPECT_EQ(jobs.get(20s), 3);
  EXPECT_EQ(jobs.try_get(), std::nullopt);
  jobs.task_done();
  jobs.task_done();
  EXPECT_TRUE(jobs.join(0s));
}

TEST_P(ManagerCrash, ABarrierBreaks) {
  const auto barrier = manager.Barrier(3);
  auto started = manager.Event();
  Process child{{.start = GetParam()},
                [](BarrierProxy mine, EventProxy go) {
                  go.set();
                  (void)mine.wait();
                },
                barrier,
                started};
  child.start();
  ASSERT_TRUE(started.wait(20s));
  while (barrier.n_waiting() == 0) {
    std::this_thread::yield();
  }
  auto pending = barrier.raw().call_async<std::uint64_t>("wait", std::int64_t{-1});
  EXPECT_GE(barrier.n_waiting(), 1);
  child.kill();
  EXPECT_THROW((void)pending.get(), BrokenBarrier);
  child.join();
}

TEST_P(ManagerCrash, CallsFailWhenTheServerIsKilled) {
  const auto queue = manager.Queue<int>();
  const auto where = active_children();
  ASSERT_EQ(where.size(), 1u);
  std::thread waiter{[&] { EXPECT_THROW((void)queue.get(), EOFError); }};
  auto pending = queue.raw().call_async<int>("get", std::int64_t{-1});
  EXPECT_TRUE(queue.empty());
  where.front().kill();
  EXPECT_THROW((void)pending.get(), EOFError);
  waiter.join();
  EXPECT_THROW((void)queue.empty(), EOFError);
  where.front().join();  // its listener, too, is closed then
  EXPECT_THROW((void)manager.list<int>(), OsError);
}

TEST_P(ManagerCrash, KilledClientsLeaveNothingBehind) {
  const auto lock = manager.Lock();
  const auto count = manager.Value<int>();
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t before = manager.number_of_objects();
    Process child{{.start = GetParam()},
                  [](LockProxy mine, ValueProxy<int> number) {
                    for (;;) {
                      mine.acquire();
                      number.increment();
                      mine.release();
                    }
                  },
                  lock,
                  count};
    const int start = count.get();
    child.start();
    while (count.get() < start + 5 + round) {
      std::this_thread::yield();
    }
    child.kill();
    child.join();
    try {
      ASSERT_TRUE(lock.acquire(20s));
    } catch (const OwnerDied&) {
      ASSERT_TRUE(lock.recover());
    }
    lock.release();
    EXPECT_EQ(manager.number_of_objects(), before);
  }
}

}  // namespace
}  // namespace mp
