// SPDX-License-Identifier: Apache-2.0
// support/eventually.hpp — polls for what only the outside world can show, such as /proc.
//
// Only for observations nobody can signal: a process has fallen asleep, a thread has left /proc.
// What a test process can announce itself is waited for with a Signal.
#pragma once

#include <chrono>
#include <gtest/gtest.h>
#include <thread>

namespace mp::test {

template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds{10}) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) {
      return condition();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return true;
}

}  // namespace mp::test

#define EXPECT_EVENTUALLY(condition) \
  EXPECT_TRUE(::mp::test::eventually([&] { return static_cast<bool>(condition); })) << #condition
#define ASSERT_EVENTUALLY(condition) \
  ASSERT_TRUE(::mp::test::eventually([&] { return static_cast<bool>(condition); })) << #condition
