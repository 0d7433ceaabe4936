// SPDX-License-Identifier: Apache-2.0
// std::future, coroutines, results as they come, and outcomes.
#include <chrono>
#include <coroutine>
#include <csignal>
#include <exception>
#include <future>
#include <gtest/gtest.h>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"

#include "pool/pool_test_base.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

int square(int x) {
  return x * x;
}
int fail_on_three(int x) {
  if (x == 3) {
    throw std::out_of_range{"three"};
  }
  return x;
}
void stay() {
  for (;;) {
    ::pause();
  }
}

class PoolFuturesTest : public test::PoolTestBase {};
MP_FOR_ALL_START_METHODS(PoolFuturesTest);

TEST_P(PoolFuturesTest, GivesAStdFuture) {
  Pool pool{options(2)};
  std::future<int> good = pool.submit(square, 6);
  std::future<int> bad = pool.submit(fail_on_three, 3);
  std::future<void> nothing = pool.submit([] {});
  EXPECT_EQ(good.get(), 36);
  EXPECT_THROW(bad.get(), std::out_of_range);
  nothing.get();
}

TEST_P(PoolFuturesTest, BreaksNoPromiseWhenItEnds) {
  std::future<void> endless;
  {
    Pool pool{options(1)};
    endless = pool.submit(stay);
  }
  EXPECT_THROW(endless.get(), PoolClosed);
}

TEST_P(PoolFuturesTest, GivesResultsAsTheyCome) {
  Pool pool{options(2)};
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 50; ++i) {
    results.push_back(pool.apply_async(square, i));
  }
  std::set<int> seen;
  for (const AsyncResult<int>& result : as_completed(results)) {
    EXPECT_TRUE(result.ready());
    seen.insert(result.get());
  }
  EXPECT_EQ(seen.size(), 50u);
}

TEST_P(PoolFuturesTest, PassesOverTheSlow) {
  Pool pool{options(2)};
  auto endless = pool.apply_async(
      [](int) {
        stay();
        return 0;
      },
      1);
  auto quick = pool.apply_async(square, 3);
  auto completed = as_completed(std::vector{endless, quick});
  EXPECT_EQ(completed.next()->get(), 9);
  EXPECT_THROW(completed.next(10ms), TimeoutError);
}

TEST(PoolFutures, AreOfOnePool) {
  Pool one{1};
  Pool other{1};
  EXPECT_THROW(as_completed(std::vector{one.apply_async(square, 1), other.apply_async(square, 2)}),
               UsageError);
  EXPECT_FALSE(as_completed(std::vector<AsyncResult<int>>{}).next());
}

TEST_P(PoolFuturesTest, ReturnsExceptionsInTheirPlaces) {
  Pool pool{options(2)};
  const std::vector<Outcome<int>> all =
      pool.map(fail_on_three, std::vector{1, 2, 3, 4}, return_exceptions);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(*all[0], 1);
  EXPECT_EQ(*all[3], 4);
  EXPECT_FALSE(all[2]);
  EXPECT_THROW(static_cast<void>(all[2].value()), std::out_of_range);
  EXPECT_NE(all[2].error(), nullptr);
  EXPECT_EQ(all[1].error(), nullptr);
}

// A worker's death is the outcome of each item of its chunk.
TEST_P(PoolFuturesTest, ReturnsDeathsInTheirPlaces) {
  Pool pool{options(2)};
  const auto all = pool.map(
      [](int x) {
        if (x == 3) {
          std::raise(SIGKILL);
        }
        return x;
      },
      std::vector{1, 2, 3, 4, 5, 6}, return_exceptions, {.chunksize = 2});
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(*all[0], 1);
  EXPECT_EQ(*all[1], 2);
  EXPECT_THROW(static_cast<void>(*all[2]), WorkerDied);
  EXPECT_THROW(static_cast<void>(*all[3]), WorkerDied);
  EXPECT_EQ(*all[4], 5);
  EXPECT_EQ(*all[5], 6);
}

TEST_P(PoolFuturesTest, TakesAndGivesRanges) {
  Pool pool{options(2)};
  auto odd = std::views::iota(0, 20) | std::views::filter([](int x) { return x % 2 == 1; });
  EXPECT_EQ(pool.map(square, odd).size(), 10u);
  EXPECT_EQ(pool.map(square, std::views::iota(0, 4)), (std::vector{0, 1, 4, 9}));
  static_assert(std::ranges::input_range<Imap<int>>);
  int sum = 0;
  auto results = pool.imap(square, std::views::iota(1, 4));
  for (const int y : results) {
    sum += y;
  }
  EXPECT_EQ(sum, 14);
}

// A coroutine that starts at once and tells its end by a future.
struct Started {
  struct promise_type {
    std::promise<int> done;
    Started get_return_object() { return {done.get_future()}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_value(int value) { done.set_value(value); }
    void unhandled_exception() { done.set_exception(std::current_exception()); }
  };
  std::future<int> done;
};

Started add_up(Pool& pool) {
  int sum = 0;
  for (int i = 1; i <= 10; ++i) {
    sum += co_await pool.awaitable(square, i);
  }
  co_return sum;
}
Started fail(Pool& pool) {
  co_return co_await pool.awaitable(fail_on_three, 3);
}

TEST_P(PoolFuturesTest, ServesCoroutines) {
  Pool pool{options(2)};
  EXPECT_EQ(add_up(pool).done.get(), 385);
  EXPECT_THROW(fail(pool).done.get(), std::out_of_range);
  pool.close();
  EXPECT_THROW(add_up(pool).done.get(), PoolClosed);
  pool.join();
}

}  // namespace
}  // namespace mp
