// SPDX-License-Identifier: Apache-2.0
// Workers killed at random under load: every task has one outcome, and none runs twice. For two
// seconds, or as long as MP_CHAOS_SECONDS says.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/shared.hpp"

#include "support/start_methods.hpp"
#include "support/watchdog.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kTasks = 400;

std::chrono::seconds duration() {
  const char* seconds = std::getenv("MP_CHAOS_SECONDS");
  return std::chrono::seconds{seconds != nullptr ? std::atoi(seconds) : 2};
}

// Counts that it ran, and returns something that is longer than a slot now and then.
std::string work(RawArray<int> runs, RawValue<int> last_worker, int number) {
  *last_worker = ::getpid();
  __atomic_fetch_add(&runs[static_cast<std::size_t>(number)], 1, __ATOMIC_RELAXED);
  return std::string(number % 7 == 0 ? 1000 : 5, static_cast<char>('a' + number % 26));
}

class PoolChaosTest : public test::StartMethodTest {};
MP_FOR_ALL_START_METHODS(PoolChaosTest);

TEST_P(PoolChaosTest, AccountsForEveryTask) {
  test::set_test_timeout(duration() + 60s);
  PoolOptions options;
  options.processes = 3;
  options.start = GetParam();
  Pool pool{options};
  std::mt19937 random{std::random_device{}()};
  const auto end = Clock::now() + duration();
  std::size_t rounds = 0;
  std::size_t deaths = 0;
  while (Clock::now() < end) {
    RawArray<int> runs(kTasks);
    const RawValue<int> last_worker{0};
    std::vector<AsyncResult<std::string>> results;
    for (std::size_t i = 0; i < kTasks; ++i) {
      results.push_back(pool.apply_async(work, runs, last_worker, static_cast<int>(i)));
    }
    for (int kills = 0; kills < 3; ++kills) {
      results[random() % kTasks].wait(std::chrono::microseconds{random() % 2000});
      // The results before are awaited, so this is a worker that was just at work.
      if (const int worker = *last_worker; worker != 0) {
        ::kill(worker, SIGKILL);
      }
    }
    for (std::size_t i = 0; i < kTasks; ++i) {
      try {
        const std::string text = results[i].get();
        ASSERT_EQ(text, std::string(i % 7 == 0 ? 1000 : 5, static_cast<char>('a' + i % 26)));
        ASSERT_EQ(runs[i], 1);
      } catch (const WorkerDied& error) {
        ASSERT_EQ(error.signal(), SIGKILL);
        ASSERT_LE(runs[i], 1);
        ++deaths;
      }
    }
    ++rounds;
  }
  EXPECT_GT(deaths, 0u) << "nobody was killed in a task";
  RecordProperty("rounds", static_cast<int>(rounds));
  RecordProperty("deaths", static_cast<int>(deaths));
  std::printf("%zu rounds of %zu tasks, %zu of them died\n", rounds, kTasks, deaths);
}

}  // namespace
}  // namespace mp
