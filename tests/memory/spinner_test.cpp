// SPDX-License-Identifier: Apache-2.0
#include "memory/spinner.hpp"

#include <algorithm>
#include <chrono>
#include <gtest/gtest.h>

#include "memory/arena.hpp"
#include "os/proc.hpp"
#include "support/cpu.hpp"

namespace mp::memory {
namespace {

constexpr std::int64_t kAge = 1'000'000'000;  // of a wait that was long

// How often a fruitless spin looks, where the waker was last seen on `cpu`.
int looks(Spinner& spinner, int cpu = -1) {
  int count = 0;
  Waiting waiting{spinner};
  EXPECT_FALSE(waiting.spin(
      [&] {
        ++count;
        return false;
      },
      cpu));
  return count;
}

// The most looks in a few tries: others may have the CPU during one of them.
int most_looks(Spinner& spinner) {
  int most = 0;
  for (int i = 0; i < 20; ++i) {
    most = std::max(most, looks(spinner));
  }
  return most;
}

void teach(Spinner& spinner, std::int64_t wait, int times = 64) {
  for (int i = 0; i < times; ++i) {
    spinner.learn(wait);
  }
}

class SpinnerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (test::usable_cpus().size() < 2) {
      GTEST_SKIP() << "nobody spins on a single CPU";
    }
    teach(spinner_, kAge);
    // So often that it is noticed should the number of CPUs have changed since the last test.
    for (int i = 0; i < 300; ++i) {
      teach(spinner_, kAge, 8);
      few_ = looks(spinner_);
    }
  }
  Spinner spinner_;
  int few_ = 0;  // looks of one who expects a long wait
};

TEST_F(SpinnerTest, StopsAtTheFirstSuccess) {
  Waiting waiting{spinner_};
  int calls = 0;
  EXPECT_TRUE(waiting.spin([&] { return ++calls == 1; }));
  EXPECT_EQ(calls, 1);
}

TEST_F(SpinnerTest, LooksAFewTimesWhereWaitsAreLong) {
  EXPECT_GT(few_, 1);
  EXPECT_LT(few_, 100);
}

TEST_F(SpinnerTest, LooksOnceOnTheWakersCpu) {
  teach(spinner_, 0);
  const test::PinnedCpu pinned{test::usable_cpus().front()};
  EXPECT_EQ(looks(spinner_, os::current_cpu()), 1);
}

TEST_F(SpinnerTest, LooksOnceOnASingleCpu) {
  teach(spinner_, 0);
  const test::PinnedCpu pinned{test::usable_cpus().front()};
  for (int i = 0; i < 300; ++i) {
    looks(spinner_);
  }
  EXPECT_EQ(looks(spinner_), 1);
}

TEST_F(SpinnerTest, SpinsAgainWhenWaitsGetShort) {
  teach(spinner_, 1'000);
  EXPECT_GT(most_looks(spinner_), few_);
}

// Two sides that sleep both see waits of two prices; that must not be a stable state.
TEST_F(SpinnerTest, TwoSleepersSpinAgain) {
  teach(spinner_, 2 * std::int64_t{wake_price()});
  EXPECT_GT(most_looks(spinner_), few_);
}

TEST_F(SpinnerTest, OneLongWaitAmongShortOnesDoesNotStopIt) {
  teach(spinner_, 1'000);
  spinner_.learn(kAge);
  EXPECT_GT(most_looks(spinner_), few_);
  teach(spinner_, kAge, 8);
  EXPECT_EQ(looks(spinner_), few_);
}

TEST_F(SpinnerTest, AWaitIsMeasuredWithItsSleep) {
  teach(spinner_, 1'000);
  for (int i = 0; i < 16; ++i) {
    Waiting waiting{spinner_};
    EXPECT_FALSE(waiting.spin([] { return false; }));
    const auto end = std::chrono::steady_clock::now() + 4 * kLongestSpin;
    while (std::chrono::steady_clock::now() < end) {
    }
  }
  EXPECT_EQ(looks(spinner_), few_);
}

TEST_F(SpinnerTest, NoSecondLongSpinInOneWait) {
  int first = 0;
  for (int i = 0; i < 20 && first <= few_; ++i) {
    teach(spinner_, 1'000);
    Waiting waiting{spinner_};
    first = 0;
    int second = 0;
    EXPECT_FALSE(waiting.spin([&] { return ++first < 0; }));
    EXPECT_FALSE(waiting.spin([&] { return ++second < 0; }));
    EXPECT_LE(second, few_);
  }
  EXPECT_GT(first, few_);
}

TEST_F(SpinnerTest, APriceIsWithinReason) {
  Arena::get().header().wake_price.store(0);
  EXPECT_GT(wake_price(), 0u);
  Arena::get().header().wake_price.store(~0u);
  EXPECT_LE(wake_price(), 1'000'000u);
  Arena::get().header().wake_price.store(0);
}

}  // namespace
}  // namespace mp::memory
