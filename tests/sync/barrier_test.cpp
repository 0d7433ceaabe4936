// SPDX-License-Identifier: Apache-2.0
#include "mp/sync/barrier.hpp"

#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <stdexcept>
#include <thread>
#include <vector>

#include "mp/errors/error.hpp"

#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/shared.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

constexpr int kBroken = 99;

// A party that waits once: exits with its number, or kBroken.
Child party(Barrier barrier, bool let_it_sleep = true) {
  Child child{[barrier]() mutable {
    try {
      return barrier.wait();
    } catch (const BrokenBarrier&) {
      return kBroken;
    }
  }};
  if (let_it_sleep) {
    EXPECT_TRUE(test::eventually([&] { return test::is_asleep(child.pid()); }));
  }
  return child;
}

TEST(Barrier, GivesEachPartyANumber) {
  Barrier barrier{3};
  EXPECT_EQ(barrier.parties(), 3);
  Child first = party(barrier);
  Child second = party(barrier);
  EXPECT_EQ(barrier.n_waiting(), 2);
  EXPECT_EQ(barrier.wait(), 2);
  EXPECT_EQ(first.wait(), exited(0));
  EXPECT_EQ(second.wait(), exited(1));
  EXPECT_EQ(barrier.n_waiting(), 0);
  EXPECT_FALSE(barrier.broken());
}

TEST(Barrier, HoldsAllUntilTheLastHasCome) {
  constexpr int kParties = 4;
  constexpr int kRounds = 500;
  Barrier barrier{kParties};
  test::Shared<std::atomic<int>> arrivals;
  const auto work = [&] {
    for (int round = 1; round <= kRounds; ++round) {
      arrivals->fetch_add(1);
      barrier.wait();
      EXPECT_GE(arrivals->load(), round * kParties);
      barrier.wait();
      EXPECT_LE(arrivals->load(), (round + 1) * kParties);
    }
  };
  Child a{work};
  Child b{work};
  std::thread c{work};
  work();
  c.join();
  EXPECT_EQ(a.wait(), exited(0));
  EXPECT_EQ(b.wait(), exited(0));
  EXPECT_EQ(arrivals->load(), kRounds * kParties);
}

TEST(Barrier, LetsASinglePartyThrough) {
  Barrier barrier{1};
  EXPECT_EQ(barrier.wait(), 0);
  EXPECT_EQ(barrier.wait(0s), 0);
}

TEST(Barrier, BreaksWhenAPartyGivesUp) {
  Barrier barrier{3};
  Child other = party(barrier);
  EXPECT_THROW(barrier.wait(10ms), BrokenBarrier);
  EXPECT_EQ(other.wait(), exited(kBroken));
  EXPECT_TRUE(barrier.broken());
  EXPECT_THROW(barrier.wait(), BrokenBarrier);
  barrier.reset();
  EXPECT_FALSE(barrier.broken());
  Child again = party(barrier);
  Child once_more = party(barrier);
  EXPECT_EQ(barrier.wait(), 2);
  EXPECT_EQ(again.wait(), exited(0));
  EXPECT_EQ(once_more.wait(), exited(1));
}

TEST(Barrier, HasATimeoutForAllWaits) {
  Barrier barrier{2, {}, 10ms};
  EXPECT_THROW(barrier.wait(), BrokenBarrier);
}

TEST(Barrier, IsAborted) {
  Barrier barrier{3};
  Child first = party(barrier);
  Child second = party(barrier);
  barrier.abort();
  barrier.abort();
  EXPECT_EQ(first.wait(), exited(kBroken));
  EXPECT_EQ(second.wait(), exited(kBroken));
  EXPECT_TRUE(barrier.broken());
  EXPECT_EQ(barrier.n_waiting(), 0);
}

TEST(Barrier, ThrowsOutWhoWaitsWhenReset) {
  Barrier barrier{2};
  Child waiter = party(barrier);
  barrier.reset();
  EXPECT_EQ(waiter.wait(), exited(kBroken));
  EXPECT_FALSE(barrier.broken());
  Child other = party(barrier);
  EXPECT_EQ(barrier.wait(), 1);
  EXPECT_EQ(other.wait(), exited(0));
}

TEST(Barrier, BreaksWhenAPartyDiesWaiting) {
  Barrier barrier{4};
  Child victim = party(barrier);
  Child first = party(barrier);
  Child second = party(barrier);
  victim.kill();
  EXPECT_EQ(first.wait(), exited(kBroken));
  EXPECT_EQ(second.wait(), exited(kBroken));
  EXPECT_TRUE(barrier.broken());
  memory::bury_the_dead();
}

TEST(Barrier, BreaksForWhoComesAfterAPartyDied) {
  Barrier barrier{2};
  party(barrier).kill();
  EXPECT_THROW(barrier.wait(), BrokenBarrier);
  memory::bury_the_dead();
}

TEST(Barrier, IsNotBrokenByAPartyThatDiesAfterIt) {
  Barrier barrier{2};
  Child other{[&] {
    barrier.wait();
    ::raise(SIGKILL);
  }};
  EXPECT_NO_THROW(barrier.wait());
  EXPECT_EQ(other.wait(), test::killed_by(SIGKILL));
  EXPECT_FALSE(barrier.broken());
  Child next = party(barrier);
  EXPECT_NO_THROW(barrier.wait());
  EXPECT_EQ(next.wait().signal, 0);
  memory::bury_the_dead();
}

TEST(Barrier, RunsItsActionOnceARound) {
  test::Shared<std::atomic<int>> runs;
  Barrier barrier{2, [&] { runs->fetch_add(1); }};
  for (int round = 1; round <= 5; ++round) {
    Child other = party(barrier, false);
    barrier.wait();
    EXPECT_EQ(runs->load(), round);
    EXPECT_EQ(other.wait().signal, 0);
  }
}

TEST(Barrier, BreaksWhenItsActionThrows) {
  Barrier barrier{2, [] { throw std::runtime_error{"no"}; }};
  Child other = party(barrier);
  EXPECT_THROW(barrier.wait(), std::runtime_error);
  EXPECT_EQ(other.wait(), exited(kBroken));
  EXPECT_TRUE(barrier.broken());
}

TEST(Barrier, RefusesNumbersThatCannotBe) {
  EXPECT_THROW(Barrier{0}, UsageError);
  EXPECT_THROW(Barrier{-3}, UsageError);
  EXPECT_THROW(Barrier{1 << 20}, UsageError);
}

}  // namespace
}  // namespace mp
