// SPDX-License-Identifier: Apache-2.0
// What a Lock does when those who hold it, or wait for it, die.
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/errors/error.hpp"
#include "mp/sync/lock.hpp"

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
using test::killed_by;

// A process that holds a lock until it is killed.
class Holder {
 public:
  explicit Holder(Lock lock)
      : child_{[this, lock]() mutable {
          lock.acquire();
          held_.raise();
          ::pause();
        }} {
    held_.await();
  }
  Child& operator*() { return child_; }
  Child* operator->() { return &child_; }

 private:
  test::Signal held_;
  Child child_;
};

// A process that waits for a lock, and does something about the answer.
template <class Answer>
Child waiter(Lock lock, Answer answer) {
  Child child{[lock, answer]() mutable { return answer(lock); }};
  EXPECT_TRUE(test::eventually([&] { return test::is_asleep(child.pid()); }));
  return child;
}

constexpr int kGotIt = 1;
constexpr int kOwnerDied = 2;
constexpr int kRecovered = 3;

int take(Lock& lock) {
  try {
    lock.acquire();
    lock.release();
    return kGotIt;
  } catch (const OwnerDied&) {
    return kOwnerDied;
  }
}
int take_or_recover(Lock& lock) {
  try {
    lock.acquire();
    lock.release();
    return kGotIt;
  } catch (const OwnerDied&) {
    const bool recovered = lock.recover();
    lock.release();
    return recovered ? kRecovered : kGotIt;
  }
}

class LockDeath : public testing::Test {
 protected:
  void SetUp() override { memory::bury_the_dead(); }  // of other tests
  void TearDown() override { memory::bury_the_dead(); }
};

TEST_F(LockDeath, StaysClosedUntilRecovered) {
  Lock lock;
  EXPECT_EQ(
      Holder { lock } -> kill(), killed_by(SIGKILL));
  EXPECT_THROW(lock.acquire(), OwnerDied);
  EXPECT_THROW(lock.try_lock(), OwnerDied);
  EXPECT_THROW(lock.acquire(5ms), OwnerDied);
  EXPECT_THROW(lock.release(), OwnerDied);
  EXPECT_TRUE(lock.locked());
  EXPECT_TRUE(lock.recover());
  EXPECT_FALSE(lock.try_lock());  // recover took it
  EXPECT_FALSE(lock.recover());   // and holds it already
  lock.release();
  EXPECT_TRUE(lock.try_lock());
  lock.release();
  EXPECT_THROW(lock.release(), OverRelease);
}

TEST_F(LockDeath, IsAlsoToldOfAnOwnerThatLeftInOrder) {
  Lock lock;
  EXPECT_EQ(test::in_child([&] { lock.acquire(); }), exited(0));
  EXPECT_THROW(lock.acquire(), OwnerDied);
  EXPECT_TRUE(lock.recover());
  lock.release();
}

TEST_F(LockDeath, IsKnownAfterTheBurialToo) {
  Lock lock;
  Holder {
    lock
    } -> kill();
  EXPECT_EQ(memory::bury_the_dead(), 1);
  EXPECT_THROW(lock.release(), OwnerDied);
  EXPECT_THROW(lock.acquire(), OwnerDied);
  lock.recover();
  lock.release();
}

TEST_F(LockDeath, IsTakenOverSilentlyWhereAskedFor) {
  Lock lock{on_owner_death::release};
  Holder {
    lock
    } -> kill();
  EXPECT_TRUE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock());
  lock.release();
  Holder {
    lock
    } -> kill();
  memory::bury_the_dead();
  EXPECT_FALSE(lock.locked());
  EXPECT_THROW(lock.release(), OverRelease);
  EXPECT_TRUE(lock.acquire());
  lock.release();
}

TEST_F(LockDeath, ReachesAWaiter) {
  Lock lock;
  Holder holder{lock};
  Child child = waiter(lock, take);
  holder->kill();
  EXPECT_EQ(child.wait(), exited(kOwnerDied));
  lock.recover();
  lock.release();
}

TEST_F(LockDeath, ReachesEveryWaiter) {
  Lock lock;
  Holder holder{lock};
  std::vector<Child> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.push_back(waiter(lock, take_or_recover));
  }
  holder->kill();
  int recovered = 0;
  for (Child& child : waiters) {
    const test::ExitStatus status = child.wait();
    EXPECT_TRUE(status == exited(kGotIt) || status == exited(kRecovered)) << status;
    recovered += status == exited(kRecovered) ? 1 : 0;
  }
  EXPECT_EQ(recovered, 1);
  EXPECT_TRUE(lock.try_lock());
  lock.release();
}

TEST_F(LockDeath, HandsTheLockToAWaiterWhereItIsTakenOver) {
  Lock lock{on_owner_death::release};
  Holder holder{lock};
  Child first = waiter(lock, take);
  Child second = waiter(lock, take);
  holder->kill();
  EXPECT_EQ(first.wait(), exited(kGotIt));
  EXPECT_EQ(second.wait(), exited(kGotIt));
}

TEST_F(LockDeath, OfTheRecovererIsAnOwnersDeath) {
  Lock lock;
  Holder {
    lock
    } -> kill();
  EXPECT_EQ(test::in_child([&] { EXPECT_TRUE(lock.recover()); }), exited(0));
  EXPECT_THROW(lock.acquire(), OwnerDied);
  EXPECT_TRUE(lock.recover());
  lock.release();
}

TEST_F(LockDeath, OfASleepingWaiterTakesNobodysWakeUp) {
  Lock lock{on_owner_death::release};
  for (int round = 0; round < 20; ++round) {
    lock.acquire();
    std::vector<Child> waiters;
    for (int i = 0; i < 3; ++i) {
      waiters.push_back(waiter(lock, take));
    }
    // The first in line dies at the moment of the release: before it, when it has just been woken,
    // or when it has the lock.
    std::thread killer{[&] { waiters[0].send_signal(SIGKILL); }};
    lock.release();
    killer.join();
    EXPECT_EQ(waiters[1].wait(), exited(kGotIt));
    EXPECT_EQ(waiters[2].wait(), exited(kGotIt));
    const test::ExitStatus first = waiters[0].wait();
    EXPECT_TRUE(first == killed_by(SIGKILL) || first == exited(kGotIt)) << first;
    memory::bury_the_dead();
  }
}

TEST_F(LockDeath, OfTwoHoldersInARowReachesTheThird) {
  Lock lock{on_owner_death::release};
  Holder first{lock};
  test::Signal second_has_it;
  Child second = waiter(lock, [&](Lock& mine) {
    mine.acquire();
    second_has_it.raise();
    ::pause();
    return 0;
  });
  Child third = waiter(lock, take);
  first->kill();
  second_has_it.await();
  second.kill();
  EXPECT_EQ(third.wait(), exited(kGotIt));
}

TEST_F(LockDeath, IsNotAssumedOfAStoppedHolder) {
  Lock lock;
  Holder holder{lock};
  holder->send_signal(SIGSTOP);
  ASSERT_EVENTUALLY(test::view_process(holder->pid()).state == 'T');
  EXPECT_FALSE(lock.acquire(60ms));
  EXPECT_EQ(memory::bury_the_dead(), 0);
  holder->send_signal(SIGCONT);
  EXPECT_FALSE(lock.acquire(5ms));
  holder->kill();
  EXPECT_THROW(lock.acquire(), OwnerDied);
}

TEST_F(LockDeath, IsNotAssumedOfAProcessWhoseThreadEnded) {
  Lock lock;
  std::thread{[&] { lock.acquire(); }}.join();
  EXPECT_TRUE(lock.locked());
  EXPECT_FALSE(lock.try_lock());
  EXPECT_FALSE(lock.acquire(20ms));
  EXPECT_EQ(test::in_child([&] { EXPECT_FALSE(lock.acquire(20ms)); }), exited(0));
  std::thread again{[&] { EXPECT_FALSE(lock.try_lock()); }};  // in the same entry of the table
  again.join();
  lock.release();
  EXPECT_TRUE(lock.try_lock());
  lock.release();
}

TEST_F(LockDeath, OfAProcessWhoseHoldingThreadHadEndedReachesAWaiter) {
  Lock lock;
  test::Signal held;
  Child holder{[&] {
    std::thread{[&] { lock.acquire(); }}.join();
    held.raise();
    ::pause();
  }};
  held.await();
  Child child = waiter(lock, take);
  holder.kill();
  EXPECT_EQ(child.wait(), exited(kOwnerDied));
}

TEST_F(LockDeath, OfAMultithreadedProcessFreesNothingWhileAThreadOfItStillRuns) {
  // The holding thread's lease dies with its siblings' still to go; the data must not be touched
  // by two at once. The child's other threads write without pause, as the holder let them.
  for (int round = 0; round < 10; ++round) {
    Lock lock;
    test::Shared<std::atomic<std::uint64_t>> data;
    test::Signal held;
    Child holder{[&] {
      lock.acquire();
      std::vector<std::thread> writers;
      for (int i = 0; i < 3; ++i) {
        writers.emplace_back([&] {
          for (;;) {
            data->fetch_add(1, std::memory_order_relaxed);
          }
        });
      }
      held.raise();
      ::pause();
      for (std::thread& writer : writers) {
        writer.join();
      }
    }};
    held.await();
    holder.send_signal(SIGKILL);
    EXPECT_THROW(lock.acquire(), OwnerDied);
    const std::uint64_t seen = data->load();
    std::this_thread::yield();
    EXPECT_EQ(data->load(), seen);
    holder.kill();
    memory::bury_the_dead();
  }
}

}  // namespace
}  // namespace mp
