// SPDX-License-Identifier: Apache-2.0
// A process that calls exec keeps its pid and its start time, and nothing of what it held.
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <thread>

#include <sys/personality.h>
#include <unistd.h>

#include "mp/errors/error.hpp"
#include "mp/sync.hpp"

#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

[[noreturn]] void become_another_program() {
  ::execl("/bin/sleep", "sleep", "1000", nullptr);
  ::_exit(1);
}

class Exec : public testing::Test {
 protected:
  void SetUp() override {
    if (test::slurp("/proc/sys/kernel/randomize_va_space").front() == '0' ||
        (::personality(0xffffffff) & ADDR_NO_RANDOMIZE) != 0) {
      GTEST_SKIP() << "stacks are not placed at random here, which is how an exec is noticed";
    }
    memory::bury_the_dead();
  }
  void TearDown() override { memory::bury_the_dead(); }
};

TEST_F(Exec, WhileHoldingALockIsItsOwnersDeath) {
  Lock lock;
  Child holder{[&] {
    lock.acquire();
    become_another_program();
  }};
  ASSERT_EVENTUALLY(test::slurp("/proc/" + std::to_string(holder.pid()) + "/comm") == "sleep\n");
  EXPECT_THROW(lock.acquire(10s), OwnerDied);
  EXPECT_TRUE(lock.recover());
  lock.release();
  EXPECT_FALSE(holder.has_ended());
}

TEST_F(Exec, ReachesWhoSleeps) {
  Lock lock{on_owner_death::release};
  test::Signal held;
  test::Signal go;
  Child holder{[&] {
    lock.acquire();
    held.raise();
    go.await();
    become_another_program();
  }};
  held.await();
  Child waiter{[&] { EXPECT_TRUE(lock.acquire(10s)); }};
  ASSERT_EVENTUALLY(test::is_asleep(waiter.pid()));
  go.raise();
  EXPECT_EQ(waiter.wait(), exited(0));
  EXPECT_FALSE(holder.has_ended());
}

TEST_F(Exec, FromAnotherThreadIsOneToo) {
  Lock lock;
  Child holder{[&] {
    lock.acquire();
    std::thread{become_another_program}.join();
  }};
  ASSERT_EVENTUALLY(test::slurp("/proc/" + std::to_string(holder.pid()) + "/comm") == "sleep\n");
  EXPECT_THROW(lock.acquire(10s), OwnerDied);
  EXPECT_FALSE(holder.has_ended());
}

TEST_F(Exec, GivesPermitsBack) {
  BoundedSemaphore one{1};
  Child holder{[&] {
    one.acquire();
    become_another_program();
  }};
  ASSERT_EVENTUALLY(test::slurp("/proc/" + std::to_string(holder.pid()) + "/comm") == "sleep\n");
  EXPECT_TRUE(one.acquire(10s));
  EXPECT_FALSE(holder.has_ended());
}

TEST_F(Exec, BreaksABarrierInWhichItsThreadWaits) {
  Barrier meet{3};
  Child party{[&] {
    std::thread waits{[&] { meet.wait(); }};
    EXPECT_EVENTUALLY(meet.n_waiting() == 1);
    become_another_program();
  }};
  EXPECT_THROW(meet.wait(10s), BrokenBarrier);
  EXPECT_FALSE(party.has_ended());
}

TEST_F(Exec, OfAnotherProcessIsNotOfThisOne) {
  Lock lock;
  test::Signal held;
  Child holder{[&] {
    lock.acquire();
    held.raise();
    test::Child{become_another_program}.kill();
    ::pause();
  }};
  held.await();
  EXPECT_FALSE(lock.acquire(30ms));
  holder.kill();
}

}  // namespace
}  // namespace mp
