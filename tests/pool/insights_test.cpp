// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include "mp/errors.hpp"
#include "mp/pool.hpp"

#include "pool/pool_test_base.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class InsightsTest : public test::PoolTestBase {};
MP_FOR_ALL_START_METHODS(InsightsTest);

void lie_idle(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds{milliseconds});
}
int last_for(int milliseconds) {
  lie_idle(milliseconds);
  return milliseconds;
}
void die() {
  std::raise(SIGKILL);
}

// The counters of the last task may come a moment after its result.
template <class Condition>
PoolInsights insights_when(const Pool& pool, Condition condition) {
  for (;;) {
    PoolInsights now = pool.insights();
    if (condition(now)) {
      return now;
    }
    std::this_thread::yield();
  }
}

std::uint64_t tasks_of(const PoolInsights& insights) {
  std::uint64_t sum = 0;
  for (const WorkerInsight& worker : insights.workers) {
    sum += worker.tasks;
  }
  return sum;
}

TEST_P(InsightsTest, TellsWhereTheTimeWent) {
  PoolOptions chosen = options(2);
  chosen.initializer = partial(lie_idle, 20);
  const auto begin = Clock::now();
  Pool pool{chosen};
  pool.map(last_for, {10, 10, 10, 50}, {.chunksize = 1});
  const PoolInsights insights =
      insights_when(pool, [](const PoolInsights& now) { return tasks_of(now) == 4; });
  const auto passed = Clock::now() - begin;
  ASSERT_EQ(insights.workers.size(), 2u);
  std::chrono::nanoseconds work{};
  for (const WorkerInsight& worker : insights.workers) {
    work += worker.work_time;
    EXPECT_LE(worker.start_time + worker.init_time + worker.wait_time + worker.work_time, passed);
    if (worker.tasks != 0) {
      EXPECT_GE(worker.init_time, 20ms);
      EXPECT_GT(worker.start_time, 0ns);
    }
    EXPECT_EQ(worker.exit_time, 0ns);
  }
  EXPECT_GE(work, 80ms);
}

TEST_P(InsightsTest, NamesTheSlowestTasks) {
  Pool pool{options(2)};
  std::vector<int> times(20, 0);
  times[7] = 60;
  pool.map(last_for, times, {.chunksize = 1});
  const PoolInsights insights =
      insights_when(pool, [](const PoolInsights& now) { return tasks_of(now) == 20; });
  ASSERT_FALSE(insights.slowest.empty());
  const SlowTaskInsight& slowest = insights.slowest.front();
  EXPECT_GE(slowest.time, 60ms);
  EXPECT_LT(slowest.place, 2u);
  EXPECT_NE(slowest.name.find("int"), std::string::npos) << slowest.name;
  // The item is the last thing in the call.
  ASSERT_GE(slowest.call.size(), sizeof(int));
  ASSERT_EQ(slowest.call.size(), slowest.call_size);
  EXPECT_EQ(slowest.call[slowest.call.size() - sizeof(int)], std::byte{60});
  EXPECT_LE(insights.slowest.size(), 5u);
  EXPECT_TRUE(
      std::ranges::is_sorted(insights.slowest, std::ranges::greater{}, &SlowTaskInsight::time));
  EXPECT_NE(insights.text().find(" 3c 00 00 00"), std::string::npos) << insights.text();
}

TEST_P(InsightsTest, CountsWhatDeadAndRetiredWorkersDid) {
  PoolOptions chosen = options(1);
  chosen.maxtasksperchild = 2;
  Pool pool{chosen};
  for (int i = 0; i < 5; ++i) {
    pool.apply(last_for, 5);
  }
  EXPECT_THROW(pool.apply(die), WorkerDied);
  pool.apply(last_for, 5);
  const PoolInsights insights =
      insights_when(pool, [](const PoolInsights& now) { return tasks_of(now) == 6; });
  EXPECT_GE(insights.workers[0].work_time, 30ms);
  EXPECT_GT(insights.workers[0].exit_time, 0ns);
}

TEST(Insights, WarnsOfIdleWorkers) {
  PoolInsights insights;
  EXPECT_EQ(insights.work_ratio(), 1.0);
  insights.workers.push_back({.tasks = 3, .wait_time = 1s, .work_time = 3s});
  EXPECT_EQ(insights.work_ratio(), 0.75);
  EXPECT_NE(insights.text().find("warning: only 75 %"), std::string::npos) << insights.text();
  insights.workers.push_back({.tasks = 3, .work_time = 1s});
  EXPECT_EQ(insights.text().find("warning"), std::string::npos) << insights.text();
}

TEST(Insights, AreEmptyForThreads) {
  ThreadPool pool{2};
  EXPECT_TRUE(pool.insights().workers.empty());
}

}  // namespace
}  // namespace mp
