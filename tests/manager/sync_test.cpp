// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "mp/errors.hpp"
#include "mp/manager.hpp"
#include "mp/manager/sync_proxies.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

class SyncProxies : public testing::Test {
 protected:
  Manager manager;
};

TEST_F(SyncProxies, ALockExcludes) {
  const auto lock = manager.Lock();
  lock.acquire();
  EXPECT_TRUE(lock.locked());
  EXPECT_FALSE(lock.try_lock());
  EXPECT_FALSE(lock.acquire(5ms));
  std::thread other{[&] { lock.release(); }};  // any thread may
  other.join();
  EXPECT_THROW(lock.release(), OverRelease);
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 100; ++k) {
        const std::scoped_lock hold{lock};
        ++count;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(count, 400);
}

TEST_F(SyncProxies, AnRLockBelongsToAThread) {
  const auto lock = manager.RLock();
  lock.acquire();
  lock.acquire();
  std::thread other{[&] {
    EXPECT_FALSE(lock.try_lock());
    EXPECT_THROW(lock.release(), NotOwner);
  }};
  other.join();
  lock.release();
  EXPECT_TRUE(lock.locked());
  lock.release();
  EXPECT_FALSE(lock.locked());
}

TEST_F(SyncProxies, SemaphoresCount) {
  const auto semaphore = manager.Semaphore(2);
  EXPECT_TRUE(semaphore.try_acquire());
  EXPECT_TRUE(semaphore.try_acquire());
  EXPECT_FALSE(semaphore.try_acquire_for(5ms));
  semaphore.release(3);
  EXPECT_EQ(semaphore.get_value(), 3u);
  const auto bounded = manager.BoundedSemaphore(1);
  bounded.acquire();
  bounded.release();
  EXPECT_THROW(bounded.release(), OverRelease);
}

TEST_F(SyncProxies, AnEventWakesAll) {
  const auto event = manager.Event();
  EXPECT_FALSE(event.wait(5ms));
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(event.wait()); });
  }
  event.set();
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(event.is_set());
  event.clear();
  EXPECT_FALSE(event.is_set());
}

TEST_F(SyncProxies, AConditionOpensItsLockWhileItWaits) {
  const auto lock = manager.Lock();
  for (const ConditionProxy& condition : {manager.Condition(), manager.Condition(lock)}) {
    EXPECT_THROW(condition.notify(), NotOwner);
    EXPECT_THROW((void)condition.wait(0s), NotOwner);
    int ready = 0;
    condition.acquire();
    std::thread other{[&] {
      const std::scoped_lock hold{condition};
      ready = 1;
      condition.notify_all();
    }};
    EXPECT_TRUE(condition.wait_for([&] { return ready == 1; }));
    EXPECT_FALSE(condition.wait(5ms));
    condition.release();
    other.join();
  }
}

TEST_F(SyncProxies, ABarrierLetsAllGoAtOnce) {
  const auto barrier = manager.Barrier(3);
  std::mutex mutex;
  std::set<int> numbers;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      const int number = barrier.wait();
      const std::lock_guard hold{mutex};
      numbers.insert(number);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(numbers, (std::set{0, 1, 2}));
  EXPECT_THROW((void)barrier.wait(5ms), BrokenBarrier);
  EXPECT_TRUE(barrier.broken());
  EXPECT_THROW((void)barrier.wait(), BrokenBarrier);
  barrier.reset();
  EXPECT_EQ(barrier.n_waiting(), 0);
  EXPECT_EQ(barrier.parties(), 3);
}

TEST_F(SyncProxies, QueuesBoundAndJoin) {
  const auto queue = manager.Queue<int>(2);
  queue.put(1);
  queue.put_nowait(2);
  EXPECT_TRUE(queue.full());
  EXPECT_THROW(queue.put(3, 5ms), Full);
  EXPECT_THROW(queue.put_nowait(3), Full);
  std::thread putter{[&] { queue.put_many(std::vector{3, 4, 5}); }};
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(queue.get(), i);
  }
  putter.join();
  EXPECT_THROW((void)queue.get(5ms), Empty);
  EXPECT_EQ(queue.try_get(), std::nullopt);
  const auto joinable = manager.JoinableQueue<int>();
  EXPECT_TRUE(joinable.join(0s));
  joinable.put_many(std::vector{1, 2});
  EXPECT_EQ(joinable.get_many(10), (std::vector{1, 2}));
  EXPECT_FALSE(joinable.join(5ms));
  std::thread joiner{[&] { EXPECT_TRUE(joinable.join()); }};
  joinable.task_done();
  joinable.task_done();
  joiner.join();
  EXPECT_THROW(joinable.task_done(), UsageError);
}

}  // namespace
}  // namespace mp
