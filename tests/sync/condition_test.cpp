// SPDX-License-Identifier: Apache-2.0
#include "mp/sync/condition.hpp"

#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/errors/error.hpp"

#include "memory/allocator.hpp"
#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

// Children that wait on a condition, and count themselves when they were notified.
class Waiters {
 public:
  Waiters(Condition condition, int count, Deadline until = Deadline::never()) {
    for (int i = 0; i < count; ++i) {
      children_.emplace_back([this, condition, until]() mutable {
        const std::scoped_lock hold{condition};
        if (condition.wait(until)) {
          woken_->fetch_add(1);
        }
      });
      EXPECT_TRUE(test::eventually([&] { return test::is_asleep(children_.back().pid()); }));
    }
  }
  int woken() { return woken_->load(); }
  bool all_wait() {
    for (const Child& child : children_) {
      if (child.has_ended()) {
        return false;
      }
    }
    return true;
  }
  std::vector<Child>& children() { return children_; }

 private:
  test::Shared<std::atomic<int>> woken_;
  std::vector<Child> children_;
};

TEST(Condition, NotifiesAsManyAsAskedFor) {
  Condition condition;
  Waiters waiters{condition, 6};
  {
    const std::scoped_lock hold{condition};
    EXPECT_EQ(condition.notify(), 1);
  }
  ASSERT_EVENTUALLY(waiters.woken() == 1);
  {
    const std::scoped_lock hold{condition};
    EXPECT_EQ(condition.notify(2), 2);
  }
  ASSERT_EVENTUALLY(waiters.woken() == 3);
  {
    const std::scoped_lock hold{condition};
    EXPECT_EQ(condition.notify_all(), 3);
    EXPECT_EQ(condition.notify_all(), 0);  // nothing is left over
    EXPECT_EQ(condition.notify(5), 0);
  }
  for (Child& child : waiters.children()) {
    EXPECT_EQ(child.wait(), exited(0));
  }
  EXPECT_EQ(waiters.woken(), 6);
}

TEST(Condition, NotifiesInTheOrderOfArrival) {
  Condition condition;
  Waiters waiters{condition, 8};  // more than the cells that a condition begins with
  for (Child& child : waiters.children()) {
    {
      const std::scoped_lock hold{condition};
      EXPECT_EQ(condition.notify_one(), 1);
    }
    EXPECT_EQ(child.wait(), exited(0));
  }
}

TEST(Condition, GivesItsMemoryBack) {
  memory::bury_the_dead();  // of other tests, with what they held
  const std::uint64_t before = memory::heap_use().blocks;
  {
    Condition condition;
    Waiters waiters{condition, 8};
    const std::scoped_lock hold{condition};
    condition.notify_all();
    condition.release();
    for (Child& child : waiters.children()) {
      EXPECT_EQ(child.wait(), exited(0));
    }
    condition.acquire();
  }
  memory::bury_the_dead();
  EXPECT_EQ(memory::heap_use().blocks, before);
}

TEST(Condition, PassesOverWaitersThatDied) {
  Condition condition;
  Waiters waiters{condition, 3};
  waiters.children()[0].kill();
  const std::scoped_lock hold{condition};
  EXPECT_EQ(condition.notify(1), 1);
  EXPECT_EQ(condition.notify_all(), 1);
  condition.release();
  EXPECT_EQ(waiters.children()[1].wait(), exited(0));
  EXPECT_EQ(waiters.children()[2].wait(), exited(0));
  EXPECT_EQ(waiters.woken(), 2);
  condition.acquire();
  memory::bury_the_dead();
}

TEST(Condition, TimesOut) {
  Condition condition;
  const std::scoped_lock hold{condition};
  EXPECT_FALSE(condition.wait(0s));
  EXPECT_FALSE(condition.wait(-1s));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(condition.wait(20ms));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms);
  EXPECT_TRUE(condition.locked());
  EXPECT_EQ(condition.notify(), 0);  // who gave up waits no more
}

TEST(Condition, WantsItsLockHeld) {
  Condition condition;
  EXPECT_THROW(condition.wait(), NotOwner);
  EXPECT_THROW(condition.notify(), NotOwner);
  EXPECT_THROW(condition.notify_all(), NotOwner);
  std::unique_lock<Condition> hold{condition, std::defer_lock};
  EXPECT_THROW(condition.wait(hold), NotOwner);
  hold.lock();
  std::thread{[&] { EXPECT_THROW(condition.notify(), NotOwner); }}.join();
}

TEST(Condition, WaitsForAPredicate) {
  Condition changed;
  test::Shared<int> stage;
  Child child{[&] {
    for (int next = 1; next <= 4; ++next) {
      std::unique_lock hold{changed};
      changed.wait(hold, [&] { return *stage == 2 * next - 1; });
      *stage = 2 * next;
      changed.notify_all();
    }
  }};
  for (int next = 1; next <= 4; ++next) {
    std::unique_lock hold{changed};
    *stage = 2 * next - 1;
    changed.notify_all();
    EXPECT_TRUE(changed.wait_for(hold, 20s, [&] { return *stage == 2 * next; }));
  }
  EXPECT_EQ(child.wait(), exited(0));
  std::unique_lock hold{changed};
  EXPECT_FALSE(changed.wait_for([&] { return *stage == 99; }, 5ms));
  EXPECT_EQ(changed.wait_for([&] { return *stage; }, 5ms), 8);
  EXPECT_FALSE(
      changed.wait_until(hold, std::chrono::system_clock::now() + 5ms, [] { return false; }));
}

TEST(Condition, ReleasesARecursiveLockWholly) {
  RLock lock;
  Condition condition{lock};
  lock.acquire();
  lock.acquire();
  lock.acquire();
  Child child{[&] {
    const std::scoped_lock hold{lock};
    condition.notify();
  }};
  EXPECT_TRUE(condition.wait(20s));
  EXPECT_EQ(child.wait(), exited(0));
  lock.release();
  lock.release();
  EXPECT_TRUE(lock.locked());
  lock.release();
  EXPECT_FALSE(lock.locked());
}

TEST(Condition, TakesAGivenLock) {
  Lock lock;
  Condition condition{lock};
  std::unique_lock hold{lock};
  EXPECT_TRUE(condition.locked());
  EXPECT_FALSE(condition.try_lock());
  std::thread other{[&] {
    const std::scoped_lock mine{lock};
    condition.notify_one();
  }};
  condition.wait(hold);
  other.join();
  EXPECT_TRUE(lock.locked());
}

TEST(Condition, TellsWaitersOfTheDeathOfWhoHeldItsLock) {
  Condition condition;
  Child waiter{[&] {
    condition.acquire();
    try {
      condition.wait();
    } catch (const OwnerDied&) {
      return condition.recover() ? 7 : 8;
    }
    return 9;
  }};
  ASSERT_EVENTUALLY(test::is_asleep(waiter.pid()));
  EXPECT_EQ(test::in_child([&] {
              condition.acquire();
              condition.notify_all();
              ::raise(SIGKILL);
            }),
            test::killed_by(SIGKILL));
  EXPECT_EQ(waiter.wait(), exited(7));
  memory::bury_the_dead();
}

}  // namespace
}  // namespace mp
