// SPDX-License-Identifier: Apache-2.0
#include "mp/sync/event.hpp"

#include <chrono>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/shared.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

TEST(Event, IsSetAndCleared) {
  Event event;
  EXPECT_FALSE(event.is_set());
  EXPECT_FALSE(event.wait(0s));
  EXPECT_FALSE(event.wait(-1s));
  EXPECT_FALSE(event.wait(5ms));
  event.set();
  event.set();
  EXPECT_TRUE(event.is_set());
  EXPECT_TRUE(event.wait());
  EXPECT_TRUE(event.wait(0s));
  event.clear();
  event.clear();
  EXPECT_FALSE(event.is_set());
}

TEST(Event, WakesAllWhoWait) {
  Event event;
  std::vector<Child> children;
  for (int c = 0; c < 4; ++c) {
    children.emplace_back([&] { EXPECT_TRUE(event.wait()); });
    ASSERT_EVENTUALLY(test::is_asleep(children.back().pid()));
  }
  event.set();
  for (Child& child : children) {
    EXPECT_EQ(child.wait(), exited(0));
  }
}

TEST(Event, LetsGoWhoWaitedEvenIfClearedAtOnce) {
  Event event;
  for (int round = 0; round < 20; ++round) {
    Child child{[&] { EXPECT_TRUE(event.wait()); }};
    ASSERT_EVENTUALLY(test::is_asleep(child.pid()));
    event.set();
    event.clear();
    EXPECT_EQ(child.wait(), exited(0));
  }
}

TEST(Event, ShowsWhatWasWrittenBeforeIt) {
  test::Shared<int> ball;
  Event ping;
  Event pong;
  constexpr int kRounds = 2000;
  Child child{[&] {
    for (int i = 0; i < kRounds; ++i) {
      ping.wait();
      ping.clear();
      EXPECT_EQ(*ball, 2 * i + 1);
      *ball = 2 * i + 2;
      pong.set();
    }
  }};
  for (int i = 0; i < kRounds; ++i) {
    *ball = 2 * i + 1;
    ping.set();
    pong.wait();
    pong.clear();
    EXPECT_EQ(*ball, 2 * i + 2);
  }
  EXPECT_EQ(child.wait(), exited(0));
}

TEST(Event, IsSharedByCopies) {
  Event event;
  Event copy = event;
  EXPECT_EQ(copy, event);
  std::thread{[copy]() mutable { copy.set(); }}.join();
  EXPECT_TRUE(event.is_set());
}

}  // namespace
}  // namespace mp
