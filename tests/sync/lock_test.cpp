// SPDX-License-Identifier: Apache-2.0
#include "mp/sync/lock.hpp"

#include <chrono>
#include <gtest/gtest.h>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/codec.hpp"
#include "mp/errors/error.hpp"

#include "memory/message.hpp"
#include "memory/object.hpp"
#include "support/child.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

TEST(Lock, IsTakenAndReleased) {
  Lock lock;
  EXPECT_FALSE(lock.locked());
  EXPECT_TRUE(lock.acquire());
  EXPECT_TRUE(lock.locked());
  EXPECT_FALSE(lock.try_lock());
  lock.release();
  EXPECT_FALSE(lock.locked());
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(Lock, MeetsTimedLockable) {
  Lock a;
  Lock b;
  {
    std::scoped_lock both{a, b};
    EXPECT_TRUE(a.locked());
    EXPECT_TRUE(b.locked());
  }
  std::unique_lock<Lock> hold{a, std::defer_lock};
  EXPECT_TRUE(hold.try_lock_for(10ms));
  hold.unlock();
  EXPECT_TRUE(hold.try_lock_until(std::chrono::steady_clock::now() + 10ms));
  hold.unlock();
  EXPECT_TRUE(hold.try_lock_until(std::chrono::system_clock::now() + 10ms));
}

TEST(Lock, RefusesASecondAcquireByItsHolderWhenTheTimeIsUp) {
  Lock lock;
  lock.acquire();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(lock.acquire(20ms));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms);
  lock.release();
}

TEST(Lock, TakesAnyTimeout) {
  Lock lock;
  using Clock = std::chrono::steady_clock;
  EXPECT_TRUE(lock.acquire(std::chrono::hours::max()));
  EXPECT_FALSE(lock.acquire(0s));
  EXPECT_FALSE(lock.acquire(-5s));
  EXPECT_FALSE(lock.acquire(std::chrono::nanoseconds::min()));
  EXPECT_FALSE(lock.acquire(std::chrono::duration<double>{-1.0}));
  EXPECT_FALSE(lock.try_lock_until(Clock::time_point::min()));
  EXPECT_FALSE(lock.try_lock_until(std::chrono::system_clock::time_point::min()));
  lock.release();
  EXPECT_TRUE(lock.acquire(0s));
  lock.release();
  EXPECT_TRUE(lock.acquire(std::chrono::duration<double>{std::numeric_limits<double>::infinity()}));
  lock.release();
  EXPECT_TRUE(lock.try_lock_until(Clock::time_point::max()));
  lock.release();
}

TEST(Lock, RefusesToBeReleasedTooOften) {
  Lock lock;
  EXPECT_THROW(lock.release(), OverRelease);
  lock.acquire();
  lock.release();
  EXPECT_THROW(lock.unlock(), OverRelease);
  EXPECT_TRUE(lock.try_lock());
  lock.release();
}

TEST(Lock, MayBeReleasedByAnotherThreadOrProcess) {
  Lock lock;
  lock.acquire();
  std::thread{[lock]() mutable { lock.release(); }}.join();
  EXPECT_TRUE(lock.try_lock());
  EXPECT_EQ(test::in_child([&] { lock.release(); }), exited(0));
  EXPECT_FALSE(lock.locked());
}

TEST(Lock, WakesAWaiterThatAnotherProcessReleases) {
  Lock lock;
  test::Signal held;
  test::Signal leave;
  Child child{[&] {
    lock.acquire();
    held.raise();
    leave.await();
    lock.release();
  }};
  held.await();
  EXPECT_FALSE(lock.try_lock());
  std::thread waiter{[&] {
    lock.acquire();
    lock.release();
  }};
  leave.raise();
  waiter.join();
  EXPECT_EQ(child.wait(), exited(0));
}

TEST(Lock, ExcludesThreadsAndProcesses) {
  Lock lock;
  test::Shared<std::int64_t> sum;  // not atomic: the lock is all that guards it
  constexpr int kRounds = 20000;
  const auto work = [&] {
    for (int i = 0; i < kRounds; ++i) {
      std::scoped_lock hold{lock};
      *sum = *sum + 1;
    }
  };
  Child a{work};
  Child b{[&] {
    std::thread one{work};
    work();
    one.join();
  }};
  work();
  EXPECT_EQ(a.wait(), exited(0));
  EXPECT_EQ(b.wait(), exited(0));
  EXPECT_EQ(*sum, 4 * kRounds);
  EXPECT_FALSE(lock.locked());
}

TEST(Lock, LosesNoWakeUpAmongManyWithTimeouts) {
  Lock lock;
  test::Shared<std::int64_t> sum;
  constexpr int kRounds = 2000;
  std::vector<Child> children;
  for (int c = 0; c < 4; ++c) {
    children.emplace_back([&, c] {
      for (int i = 0; i < kRounds; ++i) {
        while (!lock.acquire(c % 2 == 0 ? Deadline::never() : Deadline{50us})) {
        }
        *sum = *sum + 1;
        lock.release();
      }
    });
  }
  for (Child& child : children) {
    EXPECT_EQ(child.wait(), exited(0));
  }
  EXPECT_EQ(*sum, 4 * kRounds);
}

TEST(Lock, IsNotHeldByAChildOfItsHolder) {
  Lock lock;
  lock.acquire();
  EXPECT_EQ(test::in_child([&] {
              EXPECT_FALSE(lock.try_lock());
              EXPECT_TRUE(lock.locked());
            }),
            exited(0));
  EXPECT_TRUE(lock.locked());  // the child's end is not the holder's
  lock.release();
}

TEST(Lock, IsReleasedByAChildThatOutlivesItsParentsHandle) {
  test::Signal dropped;
  test::Signal adopted;
  auto* lock = new Lock;
  Child child{[&] {
    lock->acquire();
    adopted.raise();
    dropped.await();
    lock->release();
    EXPECT_THROW(lock->release(), OverRelease);
  }};
  adopted.await();
  delete lock;
  dropped.raise();
  EXPECT_EQ(child.wait(), exited(0));
}

TEST(Lock, CopiesReferToTheSameLock) {
  Lock lock;
  Lock copy = lock;
  EXPECT_EQ(copy, lock);
  EXPECT_FALSE(Lock{} == lock);
  copy.acquire();
  EXPECT_TRUE(lock.locked());
  Lock moved = std::move(copy);
  EXPECT_THROW(copy.acquire(), UsageError);  // NOLINT(bugprone-use-after-move)
  moved.release();
}

TEST(Lock, TravelsInAMessage) {
  Lock lock;
  memory::ObjectCollector collector;
  collect_objects(lock, collector);
  ASSERT_EQ(collector.objects().size(), 1u);
  memory::Message message{message_size(lock), collector.objects()};
  Writer out{message.payload(), &collector};
  write_message(out, lock);
  memory::MessageCarrier carrier{message.id()};
  Lock there = decode<Lock>(ByteView{message.payload()}, &carrier);
  EXPECT_EQ(there, lock);
}

TEST(Lock, CannotTravelWithoutACarrier) {
  EXPECT_THROW(static_cast<void>(encode(Lock{})), UsageError);
}

TEST(Lock, IsNotDecodedFromAnotherKindOfObject) {
  memory::Message message{32};
  struct AnyObject : Carrier {
    void take_object(std::uint64_t) override {}
  } anything;
  const auto other = memory::make_object(memory::ObjectType::test, 64);
  Bytes bytes(kTagSize + 8);
  Writer out{bytes};
  out.write_raw(type_tag<Lock>());
  out.write_raw(other.id());
  EXPECT_THROW(static_cast<void>(decode<Lock>(bytes, &anything)), DecodeError);
  const std::uint64_t nonsense = ~std::uint64_t{0} / 3;
  Writer again{bytes};
  again.write_raw(type_tag<Lock>());
  again.write_raw(nonsense);
  EXPECT_THROW(static_cast<void>(decode<Lock>(bytes, &anything)), DecodeError);
}

}  // namespace
}  // namespace mp
