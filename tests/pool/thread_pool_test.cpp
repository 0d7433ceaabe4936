// SPDX-License-Identifier: Apache-2.0
#include "mp/pool/thread_pool.hpp"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/shared.hpp"

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

TEST(ThreadPool, RunsEverythingAPoolRuns) {
  ThreadPool pool{3};
  EXPECT_EQ(pool.processes(), 3);
  EXPECT_EQ(pool.apply(square, 7), 49);
  EXPECT_EQ(pool.apply(::getpid), ::getpid());
  std::vector<int> xs(100);
  std::iota(xs.begin(), xs.end(), 0);
  EXPECT_EQ(pool.map(square, xs).back(), 99 * 99);
  EXPECT_EQ(pool.starmap([](int a, int b) { return a + b; },
                         std::vector<std::pair<int, int>>{{1, 2}, {3, 4}}),
            (std::vector{3, 7}));
  int sum = 0;
  for (const int y : pool.imap_unordered(square, xs)) {
    sum += y;
  }
  EXPECT_EQ(sum, 328350);
  EXPECT_EQ(pool.submit(square, 3).get(), 9);
}

TEST(ThreadPool, DeliversExceptions) {
  ThreadPool pool{2};
  EXPECT_THROW(pool.apply(fail_on_three, 3), std::out_of_range);
  EXPECT_THROW(pool.map(fail_on_three, std::vector{1, 2, 3}), std::out_of_range);
  EXPECT_EQ(pool.apply(fail_on_three, 4), 4);
}

TEST(ThreadPool, PassesSharedObjects) {
  ThreadPool pool{2};
  Value<int> value{5};
  const Value<int> back = pool.apply(
      [](Value<int> v) {
        ++*v;
        return v;
      },
      value);
  EXPECT_EQ(*value, 6);
  EXPECT_EQ(*back, 6);
  EXPECT_EQ(*pool.apply([] { return Value<int>{8}; }), 8);
}

std::atomic<int> initialized{0};

TEST(ThreadPool, InitializesEachThread) {
  initialized = 0;
  {
    ThreadPool pool{{.threads = 3, .initializer = [] { ++initialized; }}};
    pool.close();
    pool.join();
  }
  EXPECT_EQ(initialized, 3);
  ThreadPool broken{{.threads = 1, .initializer = [] { throw std::domain_error{"no"}; }}};
  EXPECT_THROW(broken.apply(square, 1), std::domain_error);
}

TEST(ThreadPool, RunsCallbacksFirst) {
  ThreadPool pool{2};
  int heard = 0;
  auto result = pool.apply_async({.callback = [&](int y) { heard = y; }}, square, 3);
  result.wait();
  EXPECT_EQ(heard, 9);
}

TEST(ThreadPool, CancelsOnlyWhatHasNotBegun) {
  static std::atomic<int> gate;
  gate = 0;
  ThreadPool pool{1};
  auto running = pool.apply_async([] {
    gate = 1;
    gate.notify_all();
    gate.wait(1);
  });
  gate.wait(0);
  auto queued = pool.apply_async(square, 2);
  EXPECT_TRUE(queued.cancel());
  EXPECT_THROW(queued.get(), Cancelled);
  EXPECT_FALSE(running.cancel());
  EXPECT_FALSE(running.wait(1ms));
  gate = 2;
  gate.notify_all();
  running.get();
}

TEST(ThreadPool, RefusesWhatItCannotDo) {
  EXPECT_THROW(ThreadPool{0}, UsageError);
  ThreadPool pool{1};
  EXPECT_THROW(pool.apply_async({.timeout = 1s}, square, 1), UsageError);
  EXPECT_THROW(pool.join(), UsageError);
  pool.close();
  EXPECT_THROW(pool.apply(square, 1), PoolClosed);
  pool.join();
}

}  // namespace
}  // namespace mp
