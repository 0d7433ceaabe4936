// SPDX-License-Identifier: Apache-2.0
#include "mp/sync/semaphore.hpp"

#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/errors/error.hpp"

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

TEST(Semaphore, CountsItsPermits) {
  Semaphore two{2};
  EXPECT_EQ(two.get_value(), 2);
  EXPECT_TRUE(two.acquire());
  EXPECT_TRUE(two.acquire(0s));
  EXPECT_TRUE(two.locked());
  EXPECT_FALSE(two.try_lock());
  EXPECT_FALSE(two.acquire(5ms));
  EXPECT_FALSE(two.acquire(-1s));
  two.release();
  two.release(3);
  EXPECT_EQ(two.get_value(), 4);
}

TEST(Semaphore, RefusesCountsThatCannotBe) {
  EXPECT_THROW(Semaphore{-1}, UsageError);
  EXPECT_THROW(Semaphore{std::int64_t{1} << 31}, UsageError);
  EXPECT_THROW(BoundedSemaphore{std::numeric_limits<std::int64_t>::max()}, UsageError);
  Semaphore most{Semaphore::kMost};
  EXPECT_EQ(most.get_value(), std::numeric_limits<int>::max());
  EXPECT_THROW(most.release(), OverRelease);
  EXPECT_EQ(most.get_value(), std::numeric_limits<int>::max());
  Semaphore none{0};
  EXPECT_THROW(none.release(0), UsageError);
  EXPECT_THROW(none.release(-1), UsageError);
  EXPECT_FALSE(BoundedSemaphore{0}.acquire(5ms));
}

TEST(Semaphore, IsAnEmptySlotToOneAndASignalToAnother) {
  Semaphore items{0};
  Semaphore room{2};
  test::Shared<std::atomic<int>> in_stock;
  constexpr int kItems = 5000;
  Child producer{[&] {
    for (int i = 0; i < kItems; ++i) {
      room.acquire();
      EXPECT_LE(in_stock->fetch_add(1) + 1, 2);
      items.release();
    }
  }};
  for (int i = 0; i < kItems; ++i) {
    items.acquire();
    in_stock->fetch_sub(1);
    room.release();
  }
  EXPECT_EQ(producer.wait(), exited(0));
  EXPECT_EQ(items.get_value(), 0);
  EXPECT_EQ(room.get_value(), 2);
}

TEST(Semaphore, KeepsWhatTheDeadHadTaken) {
  Semaphore two{2};
  EXPECT_EQ(test::in_child([&] { two.acquire(); }), exited(0));
  memory::bury_the_dead();
  EXPECT_EQ(two.get_value(), 1);
}

template <class S>
void lose_no_wake_up(S& semaphore) {
  constexpr int kRounds = 2000;
  std::vector<Child> children;
  for (int c = 0; c < 4; ++c) {
    children.emplace_back([&, c] {
      for (int i = 0; i < kRounds; ++i) {
        while (!semaphore.acquire(c % 2 == 0 ? Deadline::never() : Deadline{50us})) {
        }
        semaphore.release();
      }
    });
  }
  for (Child& child : children) {
    EXPECT_EQ(child.wait(), exited(0));
  }
  EXPECT_EQ(semaphore.get_value(), 2);
  memory::bury_the_dead();
}
TEST(Semaphore, LosesNoWakeUpAmongManyWithTimeouts) {
  Semaphore semaphore{2};
  lose_no_wake_up(semaphore);
}
TEST(BoundedSemaphore, LosesNoWakeUpAmongManyWithTimeouts) {
  BoundedSemaphore semaphore{2};
  lose_no_wake_up(semaphore);
}

TEST(Semaphore, WakesAsManyAsItGetsPermits) {
  Semaphore semaphore{0};
  std::vector<Child> children;
  for (int c = 0; c < 3; ++c) {
    children.emplace_back([&] { semaphore.acquire(); });
    ASSERT_EVENTUALLY(test::is_asleep(children.back().pid()));
  }
  semaphore.release(3);
  for (Child& child : children) {
    EXPECT_EQ(child.wait(), exited(0));
  }
  EXPECT_EQ(semaphore.get_value(), 0);
}

TEST(BoundedSemaphore, IsNeverAboveItsFirstValue) {
  BoundedSemaphore two{2};
  EXPECT_THROW(two.release(), OverRelease);
  two.acquire();
  EXPECT_EQ(two.get_value(), 1);
  EXPECT_THROW(two.release(2), OverRelease);
  EXPECT_EQ(two.get_value(), 1);
  two.release();
  EXPECT_THROW(two.release(), OverRelease);
  std::scoped_lock hold{two};
  EXPECT_EQ(two.get_value(), 1);
}

TEST(BoundedSemaphore, MayBeReleasedByAnotherProcess) {
  BoundedSemaphore one{1};
  one.acquire();
  EXPECT_EQ(test::in_child([&] { one.release(); }), exited(0));
  EXPECT_EQ(one.get_value(), 1);
}

TEST(BoundedSemaphore, GetsBackWhatTheDeadHeld) {
  BoundedSemaphore three{3};
  three.acquire();
  test::Signal held;
  Child holder{[&] {
    three.acquire();
    three.acquire();
    held.raise();
    ::pause();
  }};
  held.await();
  EXPECT_EQ(three.get_value(), 0);
  holder.send_signal(SIGSTOP);
  ASSERT_EVENTUALLY(test::view_process(holder.pid()).state == 'T');
  EXPECT_FALSE(three.acquire(20ms));  // a stopped holder is alive
  holder.kill();
  EXPECT_TRUE(three.acquire(10s));  // nobody told the tree: the acquirer finds out
  memory::bury_the_dead();
  EXPECT_EQ(three.get_value(), 1);
  three.release(2);
  EXPECT_THROW(three.release(), OverRelease);
}

TEST(BoundedSemaphore, WakesASleeperWhenAHolderIsBuried) {
  Semaphore one{1, owned};
  test::Signal held;
  Child holder{[&] {
    one.acquire();
    held.raise();
    ::pause();
  }};
  held.await();
  Child waiter{[&] { one.acquire(); }};
  ASSERT_EVENTUALLY(test::is_asleep(waiter.pid()));
  holder.kill();
  memory::bury_the_dead();
  EXPECT_EQ(waiter.wait(), exited(0));
  memory::bury_the_dead();
  EXPECT_EQ(one.get_value(), 1);
}

TEST(BoundedSemaphore, KeepsThePermitsOfAThreadThatEnded) {
  BoundedSemaphore one{1};
  std::thread{[&] { one.acquire(); }}.join();
  EXPECT_FALSE(one.acquire(20ms));
  one.release();
  EXPECT_EQ(one.get_value(), 1);
}

}  // namespace
}  // namespace mp
