// SPDX-License-Identifier: Apache-2.0
#include "os/robust.hpp"

#include <thread>

#include <signal.h>
#include <unistd.h>

#include "os/proc.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp::os {
namespace {

using namespace std::chrono_literals;

struct Table {
  Table() { lease_init(lease); }

  Lease lease{};
  Word gate{0};
  Word committed{0};
};

// Sleeps on the lease until its holder is dead.
void await_death(const Lease& lease) {
  while (!lease_died(lease)) {
    const std::uint32_t seen = lease.word().load();
    if ((seen & kLeaseDied) == 0) {
      (void)futex_wait(lease.word(), seen, Deadline::never());
    }
  }
}

TEST(Lease, NamesItsHolderWhileThatLives) {
  const test::Shared<Table> table;
  EXPECT_EQ(table->lease.word(), 0U);
  std::thread{[&] {
    ASSERT_TRUE(lease_hold(table->lease));
    EXPECT_EQ(table->lease.word() & kLeaseThread, static_cast<std::uint32_t>(thread_id()));
    EXPECT_FALSE(lease_died(table->lease));
    EXPECT_FALSE(lease_hold(table->lease));
    std::thread{[&] {
      EXPECT_FALSE(lease_hold(table->lease));
      lease_release(table->lease);  // not its to release
    }}.join();
    EXPECT_EQ(table->lease.word() & kLeaseThread, static_cast<std::uint32_t>(thread_id()));
    lease_release(table->lease);
    EXPECT_EQ(table->lease.word(), 0U);
  }}.join();
  EXPECT_FALSE(lease_died(table->lease));
}

TEST(Lease, DiesWithItsThread) {
  const test::Shared<Table> table;
  std::thread{[&] { ASSERT_TRUE(lease_hold(table->lease)); }}.join();
  EXPECT_EVENTUALLY(lease_died(table->lease));
}

TEST(Lease, DiesWithAKilledProcessAndWakesASleeper) {
  for (int round = 0; round != 20; ++round) {
    const test::Shared<Table> table;
    test::Signal held;
    test::Child holder{[&] {
      EXPECT_TRUE(lease_hold(table->lease));
      held.raise();
      ::pause();
    }};
    held.await();
    test::Child sleeper{[&] { await_death(table->lease); }};
    ASSERT_EVENTUALLY(test::is_asleep(sleeper.pid()));
    EXPECT_EQ(holder.kill(), test::killed_by(SIGKILL));
    EXPECT_EQ(sleeper.wait(), test::exited(0));
  }
}

TEST(Lease, DiesWithAThreadOfAProcessThatLivesOn) {
  const test::Shared<Table> table;
  test::Child process{[&] {
    std::thread holder{[&] { EXPECT_TRUE(lease_hold(table->lease)); }};
    holder.join();
    ::pause();
  }};
  await_death(table->lease);
  EXPECT_EQ(test::view_process(process.pid()).pid, process.pid());
}

TEST(Lease, DiesAtExec) {
  const test::Shared<Table> table;
  test::Child process{[&] {
    EXPECT_TRUE(lease_hold(table->lease));
    ::execl("/bin/sleep", "sleep", "1000", nullptr);
    return 1;
  }};
  await_death(table->lease);
  EXPECT_EVENTUALLY(test::view_process(process.pid()).name == "sleep");
}

TEST(Lease, IsNotHeldByAForkedChild) {
  const test::Shared<Table> table;
  std::thread{[&] {
    ASSERT_TRUE(lease_hold(table->lease));
    const std::uint32_t held = table->lease.word();
    EXPECT_EQ(test::in_child([&] {
                EXPECT_FALSE(lease_hold(table->lease));
                lease_release(table->lease);
              }),
              test::exited(0));
    EXPECT_EQ(table->lease.word(), held);  // neither released nor dead with the child
    lease_release(table->lease);
  }}.join();
}

TEST(Lease, CanBeTakenOverFromTheDead) {
  const test::Shared<Table> table;
  EXPECT_EQ(test::in_child([&] { EXPECT_TRUE(lease_hold(table->lease)); }), test::exited(0));
  ASSERT_TRUE(lease_died(table->lease));
  test::Child heir{[&] {
    EXPECT_TRUE(lease_hold(table->lease));
    EXPECT_FALSE(lease_died(table->lease));
  }};
  EXPECT_EQ(heir.wait(), test::exited(0));
  EXPECT_TRUE(lease_died(table->lease));
  lease_init(table->lease);
  EXPECT_EQ(table->lease.word(), 0U);
}

TEST(PendingWake, WakesASleeperWhenItsThreadIsKilledBeforeItCould) {
  if (!have_pending_wake()) {
    GTEST_SKIP() << "no get_robust_list";
  }
  for (int round = 0; round != 50; ++round) {
    const test::Shared<Table> table;
    test::Signal committed;
    test::Child sleeper{[&] {
      // Not in a loop: it is this very wake-up that must come.
      return futex_wait(table->gate, 0, Deadline{15s}) == Wait::woken ? 0 : 1;
    }};
    ASSERT_EVENTUALLY(test::is_asleep(sleeper.pid()));
    test::Child waker{[&] {
      const PendingWake cover{table->gate};
      table->committed = 1;
      committed.raise();
      ::pause();  // killed here, before futex_wake
    }};
    committed.await();
    waker.kill();
    EXPECT_EQ(sleeper.wait(), test::exited(0)) << round;
  }
}

TEST(PendingWake, WakesNobodyAfterItsScope) {
  const test::Shared<Table> table;
  test::Signal done;
  test::Child waker{[&] {
    { const PendingWake cover{table->gate}; }
    done.raise();
    ::pause();
  }};
  done.await();
  test::Child sleeper{
      [&] { return futex_wait(table->gate, 0, Deadline{15s}) == Wait::woken ? 0 : 1; }};
  ASSERT_EVENTUALLY(test::is_asleep(sleeper.pid()));
  waker.kill();
  EXPECT_EQ(futex_wake(table->gate, 1), 1) << "the sleeper is still asleep";
  EXPECT_EQ(sleeper.wait(), test::exited(0));
}

TEST(PendingWake, NestsAndRestoresWhatWasPendingBefore) {
  const test::Shared<Table> table;
  test::Signal inside;
  test::Child sleeper{
      [&] { return futex_wait(table->gate, 0, Deadline{15s}) == Wait::woken ? 0 : 1; }};
  ASSERT_EVENTUALLY(test::is_asleep(sleeper.pid()));
  test::Child waker{[&] {
    const PendingWake outer{table->gate};
    { const PendingWake inner{table->committed}; }
    inside.raise();
    ::pause();
  }};
  inside.await();
  waker.kill();
  EXPECT_EQ(sleeper.wait(), test::exited(0));
}

TEST(PendingWake, DoesNothingWhereTheListCannotBeHad) {
  const test::Shared<Table> table;
  std::thread{[&] {  // a thread that has not asked yet
    test::Faults faults;
    faults.fail(Sys::get_robust_list, ENOSYS);
    EXPECT_FALSE(have_pending_wake());
    const PendingWake cover{table->gate};
    table->committed = 1;
  }}
      .join();
  EXPECT_TRUE(have_pending_wake());
}

TEST(PendingWake, LeavesLibcsRobustMutexesAlone) {
  // A lease taken and released around a scope still dies with its thread.
  const test::Shared<Table> table;
  std::thread{[&] {
    { const PendingWake cover{table->gate}; }
    ASSERT_TRUE(lease_hold(table->lease));
    { const PendingWake cover{table->gate}; }
  }}.join();
  EXPECT_EVENTUALLY(lease_died(table->lease));
}

}  // namespace
}  // namespace mp::os
