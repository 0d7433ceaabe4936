// SPDX-License-Identifier: Apache-2.0
#include "mp/base/deadline.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace mp {
namespace {

using namespace std::chrono_literals;

TEST(Deadline, HasPassedWhenTheTimeoutIsZeroOrNegative) {
  EXPECT_TRUE(Deadline{0ms}.passed());
  EXPECT_TRUE(Deadline{-5s}.passed());
  EXPECT_TRUE(Deadline{std::chrono::hours::min()}.passed());
  EXPECT_TRUE(Deadline::now().passed());
  EXPECT_EQ(Deadline{-5s}.remaining(), 0ns);
}

TEST(Deadline, NeverComesWhenTheTimeoutIsTooLongForTheClock) {
  EXPECT_TRUE(Deadline{std::chrono::hours::max()}.is_never());
  EXPECT_TRUE(Deadline{std::chrono::nanoseconds::max()}.is_never());
  EXPECT_TRUE((Deadline{std::chrono::duration<double>{INFINITY}}.is_never()));
  EXPECT_TRUE(Deadline{Deadline::Clock::time_point::max()}.is_never());
  EXPECT_FALSE(Deadline::never().passed());
  EXPECT_EQ(Deadline::never().remaining(), std::chrono::nanoseconds::max());
}

TEST(Deadline, TreatsNotANumberAsPassed) {
  EXPECT_TRUE((Deadline{std::chrono::duration<double>{std::nan("")}}.passed()));
}

TEST(Deadline, IsAbsolute) {
  const Deadline until{1h};
  EXPECT_FALSE(until.passed());
  EXPECT_LE(until.remaining(), 1h);
  EXPECT_GT(until.remaining(), 59min);
  EXPECT_LT(until.no_later_than(1min), until);
  EXPECT_EQ(until.no_later_than(2h), until);
  EXPECT_FALSE(Deadline::never().no_later_than(1s).is_never());
}

TEST(Deadline, RoundsFractionsOfANanosecondUp) {
  EXPECT_GT((Deadline{std::chrono::duration<double, std::nano>{0.2}}.nanoseconds()), 0);
}

}  // namespace
}  // namespace mp
