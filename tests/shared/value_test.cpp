// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/value.hpp"

#include <array>
#include <atomic>
#include <complex>
#include <csignal>
#include <gtest/gtest.h>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "mp/errors/error.hpp"

#include "memory/allocator.hpp"
#include "memory/processes.hpp"
#include "shared/travel.hpp"
#include "support/child.hpp"
#include "support/rendezvous.hpp"

namespace mp {
namespace {

using test::Child;
using test::exited;

struct Point {
  double x;
  double y;
};
struct Named {
  const char* name;
};
struct Viewed {
  std::string_view view;
};

static_assert(detail::is_shareable<int>());
static_assert(detail::is_shareable<Point>());
static_assert(detail::is_shareable<std::array<Point, 3>>());
static_assert(detail::is_shareable<std::complex<double>>());
static_assert(!detail::is_shareable<int*>());
static_assert(!detail::is_shareable<Named>());
static_assert(!detail::is_shareable<Viewed>());
static_assert(!detail::is_shareable<std::string>());
static_assert(!detail::is_shareable<const int>());
static_assert(!detail::is_shareable<int&>());

TEST(RawValue, IsZeroUnlessTold) {
  EXPECT_EQ(*RawValue<long>{}, 0);
  EXPECT_EQ(*RawValue<long>{7}, 7);
  const RawValue<Point> origin;
  EXPECT_EQ(origin->x, 0);
  const RawValue<Point> point{1.5, 2.5};
  EXPECT_EQ(point->y, 2.5);
  const RawValue<Point> copied{Point{3, 4}};
  EXPECT_EQ(copied->x, 3);
}

TEST(RawValue, IsOneForAllCopies) {
  const RawValue<int> value{1};
  const RawValue<int> copy = value;
  *copy += 1;
  EXPECT_EQ(*value, 2);
  EXPECT_EQ(copy, value);
  value.set_value(9);
  EXPECT_EQ(copy.value(), 9);
}

TEST(RawValue, IsSharedWithAChild) {
  RawValue<long> total{40};
  EXPECT_EQ(test::in_child([&] { *total += 1; }), exited(0));
  EXPECT_EQ(test::in_child([total] { *total += 1; }), exited(0));
  EXPECT_EQ(*total, 42);
}

TEST(RawValue, StaysForAChildThatCopiedItsHandle) {
  auto* value = new RawValue<int>{5};
  test::Signal copied;
  test::Signal dropped;
  Child child{[&] {
    const RawValue<int> mine = *value;
    copied.raise();
    dropped.await();
    EXPECT_EQ(*mine, 5);
  }};
  copied.await();
  delete value;
  const RawValue<int> other{6};  // would get the same block
  dropped.raise();
  EXPECT_EQ(child.wait(), exited(0));
}

TEST(RawValue, GoesWithItsLastHandle) {
  const std::uint64_t before = memory::heap_use().blocks;
  {
    const RawValue<int> value{5};
    const RawValue<int> copy = value;
    EXPECT_EQ(memory::heap_use().blocks, before + 1);
  }
  EXPECT_EQ(memory::heap_use().blocks, before);
}

TEST(RawValue, TravelsInAMessage) {
  const RawValue<int> value{5};
  const RawValue<int> there = test::send(value);
  *there = 6;
  EXPECT_EQ(*value, 6);
  EXPECT_THROW(static_cast<void>(test::send_as<RawValue<unsigned>>(value)), TypeMismatch);
  EXPECT_THROW(static_cast<void>(test::send_as<Value<int>>(value)), TypeMismatch);
}

TEST(Value, IsCountedUnderItsLockByThreadsAndProcesses) {
  Value<int> counter{5};
  constexpr int kRounds = 5000;
  const auto count = [](Value<int> mine) {
    for (int i = 0; i < kRounds; ++i) {
      std::scoped_lock hold{mine.get_lock()};
      *mine += 1;
    }
  };
  Child child{[&] { count(counter); }};
  std::thread thread{count, counter};
  count(counter);
  thread.join();
  EXPECT_EQ(child.wait(), exited(0));
  EXPECT_EQ(*counter, 5 + 3 * kRounds);
}

TEST(Value, IsReadAndWrittenUnderItsLock) {
  const Value<Point> value{Point{1, 2}};
  EXPECT_EQ(value.value().y, 2);
  {
    std::scoped_lock hold{value};
    EXPECT_TRUE(value.get_lock().locked());
    value.set_value({3, 4});  // the lock is recursive
    std::thread{[&] { EXPECT_FALSE(value.get_lock().try_lock()); }}.join();
  }
  EXPECT_FALSE(value.get_lock().locked());
  EXPECT_EQ(value->x, 3);
}

TEST(Value, TravelsWithItsLock) {
  const Value<int> value{5};
  const Value<int> there = test::send(value);
  EXPECT_EQ(there.get_lock(), value.get_lock());
  there.acquire();
  EXPECT_TRUE(value.get_lock().locked());
  there.release();
  EXPECT_THROW(static_cast<void>(test::send_as<RawValue<int>>(value)), TypeMismatch);
}

TEST(Value, LockTravelsAlone) {
  const Value<int> value{5};
  const RLock lock = test::send(value.get_lock());
  EXPECT_EQ(lock, value.get_lock());
}

TEST(Value, TellsOfAHolderThatDied) {
  const Value<int> value{5};
  EXPECT_EQ(test::in_child([&] {
              value.acquire();
              ::raise(SIGKILL);
            }),
            test::killed_by(SIGKILL));
  EXPECT_THROW(static_cast<void>(value.value()), OwnerDied);
  EXPECT_EQ(*value, 5);
  EXPECT_TRUE(value.get_lock().recover());
  value.release();
  EXPECT_EQ(value.value(), 5);
  memory::bury_the_dead();
}

TEST(Value, HasTheLockThatItIsGiven) {
  const RLock lock;
  const Value<int> a{locked_by(lock), 5};
  const Value<double> b{locked_by(lock), 2.5};
  EXPECT_EQ(*a, 5);
  EXPECT_EQ(a.get_lock(), b.get_lock());
  const Value<int> there = test::send(a);
  EXPECT_EQ(there.get_lock(), lock);
  there.set_value(6);
  EXPECT_EQ(a.value(), 6);
  EXPECT_THROW(static_cast<void>(test::send_as<RawValue<int>>(a)), TypeMismatch);
}

TEST(RawValue, HoldsAnAtomic) {
  const RawValue<std::atomic<long>> count{5};
  EXPECT_EQ(test::in_child([&] { *count += 2; }), exited(0));
  EXPECT_EQ(count->load(), 7);
}

static_assert(detail::is_shareable<std::atomic<int>>());
static_assert(!detail::is_shareable<std::atomic<int*>>());
static_assert(!detail::is_shareable<std::atomic<std::array<long, 4>>>(), "it would need a lock");

}  // namespace
}  // namespace mp
