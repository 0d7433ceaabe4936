// SPDX-License-Identifier: Apache-2.0
#include "mp/sync/rlock.hpp"

#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>

#include "mp/errors/error.hpp"

#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

TEST(RLock, IsFreeAfterAsManyReleasesAsAcquires) {
  RLock lock;
  lock.acquire();
  EXPECT_TRUE(lock.acquire(0s));
  EXPECT_TRUE(lock.try_lock());
  lock.release();
  lock.release();
  EXPECT_TRUE(lock.locked());
  lock.release();
  EXPECT_FALSE(lock.locked());
  EXPECT_THROW(lock.release(), NotOwner);
}

TEST(RLock, IsReleasedByItsOwnerOnly) {
  RLock lock;
  lock.acquire();
  std::thread{[&] {
    EXPECT_THROW(lock.release(), NotOwner);
    EXPECT_FALSE(lock.try_lock());
  }}.join();
  EXPECT_EQ(test::in_child([&] { EXPECT_THROW(lock.release(), NotOwner); }), exited(0));
  lock.release();
  EXPECT_FALSE(lock.locked());
}

TEST(RLock, IsNotOwnedByAChildOfItsOwner) {
  RLock lock;
  lock.acquire();
  EXPECT_EQ(test::in_child([&] {
              EXPECT_FALSE(lock.acquire(5ms));
              EXPECT_THROW(lock.unlock(), NotOwner);
            }),
            exited(0));
  lock.release();
}

TEST(RLock, NestsScopes) {
  RLock lock;
  std::scoped_lock outer{lock};
  std::scoped_lock inner{lock};
  EXPECT_TRUE(lock.locked());
}

TEST(RLock, ExcludesThreadsAndProcesses) {
  RLock lock;
  test::Shared<std::int64_t> sum;
  constexpr int kRounds = 10000;
  const auto work = [&] {
    for (int i = 0; i < kRounds; ++i) {
      std::scoped_lock once{lock};
      std::scoped_lock twice{lock};
      *sum = *sum + 1;
    }
  };
  Child a{work};
  std::thread b{work};
  work();
  b.join();
  EXPECT_EQ(a.wait(), exited(0));
  EXPECT_EQ(*sum, 3 * kRounds);
}

TEST(RLock, IsHeldOnceAfterRecovery) {
  for (const auto policy : {on_owner_death::raise, on_owner_death::release}) {
    RLock lock{policy};
    EXPECT_EQ(test::in_child([&] {
                lock.acquire();
                lock.acquire();
                lock.acquire();
                ::raise(SIGKILL);
              }),
              test::killed_by(SIGKILL));
    if (policy == on_owner_death::raise) {
      EXPECT_THROW(lock.acquire(), OwnerDied);
      EXPECT_THROW(lock.release(), OwnerDied);
      EXPECT_TRUE(lock.recover());
    } else {
      EXPECT_TRUE(lock.acquire());
    }
    EXPECT_FALSE(lock.recover());
    lock.release();
    EXPECT_FALSE(lock.locked());
    EXPECT_TRUE(lock.try_lock());
    lock.release();
    memory::bury_the_dead();
  }
}

}  // namespace
}  // namespace mp
