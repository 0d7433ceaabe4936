// SPDX-License-Identifier: Apache-2.0
#include "memory/fences.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <gtest/gtest.h>
#include <memory>
#include <thread>

#include "memory/spinner.hpp"
#include "memory/threads.hpp"
#include "support/child.hpp"
#include "support/faults.hpp"
#include "support/shared.hpp"

namespace mp::memory {
namespace {

// Two who each store and then look, round after round. The words lie on lines of their own.
struct Rounds {
  alignas(128) std::atomic<int> often{0};
  alignas(128) std::atomic<int> seldom{0};
  alignas(128) std::atomic<int> begun[2]{};
};

constexpr int kRounds = 3000;

void meet(Rounds& rounds, int me, int round) {
  rounds.begun[me].store(round);
  while (rounds.begun[1 - me].load() < round) {
    relax();
  }
}

void go_lightly(Rounds& rounds, std::atomic<int>* missed) {
  static_cast<void>(this_thread());
  for (int round = 1; round <= kRounds; ++round) {
    meet(rounds, 0, round);
    rounds.often.store(round, std::memory_order_release);
    light_fence();
    missed[round].fetch_add(rounds.seldom.load(std::memory_order_relaxed) < round ? 1 : 0);
  }
}

void go_heavily(Rounds& rounds, std::atomic<int>* missed) {
  static_cast<void>(this_thread());
  for (int round = 1; round <= kRounds; ++round) {
    meet(rounds, 1, round);
    rounds.seldom.store(round, std::memory_order_release);
    heavy_fence();
    missed[round].fetch_add(rounds.often.load(std::memory_order_relaxed) < round ? 1 : 0);
  }
}

struct Trial {
  Rounds rounds;
  std::atomic<int> missed[kRounds + 1]{};  // in each round, by how many of the two

  [[nodiscard]] int both_missed() const {
    int count = 0;
    for (const std::atomic<int>& each : missed) {
      count += each.load() == 2 ? 1 : 0;
    }
    return count;
  }
};

TEST(FencesTest, OneOfTwoThreadsSeesTheOther) {
  const auto trial = std::make_unique<Trial>();
  std::thread often{[&] { go_lightly(trial->rounds, trial->missed); }};
  go_heavily(trial->rounds, trial->missed);
  often.join();
  EXPECT_EQ(trial->both_missed(), 0);
}

TEST(FencesTest, OneOfTwoProcessesSeesTheOther) {
  const test::Shared<Trial> trial;
  test::Child often{[&] { go_lightly(trial->rounds, trial->missed); }};
  go_heavily(trial->rounds, trial->missed);
  EXPECT_EQ(often.wait(), test::exited(0));
  EXPECT_EQ(trial->both_missed(), 0);
}

TEST(FencesTest, AreLightWhereTheKernelOffersIt) {
  static_cast<void>(this_thread());
  EXPECT_TRUE(fences_are_light());
  // A fork's child joins on its own.
  test::Child child{[] {
    if (fences_are_light()) {
      return 1;
    }
    static_cast<void>(this_thread());
    return fences_are_light() ? 0 : 2;
  }};
  EXPECT_EQ(child.wait(), test::exited(0));
}

TEST(FencesTest, AreFullWhereItIsForbidden) {
  const test::Shared<Trial> trial;
  test::Child often{[&] {
    test::Faults faults;
    faults.fail(os::Sys::membarrier, EPERM);
    go_lightly(trial->rounds, trial->missed);
    return fences_are_light() ? 1 : 0;
  }};
  go_heavily(trial->rounds, trial->missed);
  EXPECT_EQ(often.wait(), test::exited(0));
  EXPECT_EQ(trial->both_missed(), 0);
}

TEST(FencesTest, WhoMayNotMakeThemWaits) {
  static_cast<void>(this_thread());
  test::Faults faults;
  faults.fail(os::Sys::membarrier, EPERM);
  const auto before = std::chrono::steady_clock::now();
  heavy_fence();
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds{1});
}

}  // namespace
}  // namespace mp::memory
