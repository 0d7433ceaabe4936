// SPDX-License-Identifier: Apache-2.0
// Time limits, cancellation, and tasks that are tried again.
#include <atomic>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/process/current.hpp"
#include "mp/shared.hpp"

#include "pool/pool_test_base.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

int square(int x) {
  return x * x;
}
void stay() {
  for (;;) {
    ::pause();
  }
}
// Says that it has begun, and stays.
int begin_and_stay(Value<int> begun) {
  ++*begun;
  stay();
  return 0;
}
// Says that it has begun, stops when it is asked to, and says how far it came.
int work_until_stopped(Value<int> begun) {
  static_cast<void>(this_task::stop_requested());
  ++*begun;
  while (!this_task::stop_requested()) {
    std::this_thread::yield();
  }
  return 42;
}

void wait_for(Value<int> value, int at_least) {
  while (*value < at_least) {
    std::this_thread::yield();
  }
}

class PoolLimitsTest : public test::PoolTestBase {};
MP_FOR_ALL_START_METHODS(PoolLimitsTest);

TEST_P(PoolLimitsTest, EndATaskThatLastsTooLong) {
  Pool pool{options(2)};
  const auto begin = Clock::now();
  auto slow = pool.apply_async({.timeout = 30ms}, stay);
  EXPECT_THROW(slow.get(), TaskTimeout);
  EXPECT_GE(Clock::now() - begin, 30ms);
  EXPECT_FALSE(slow.successful());
  EXPECT_EQ(pool.map(square, std::vector{1, 2, 3}), (std::vector{1, 4, 9}));
}

TEST_P(PoolLimitsTest, CountFromTheBeginningOfTheTask) {
  Pool pool{options(1)};
  Value<int> begun{0};
  auto first = pool.apply_async({.timeout = 60ms}, begin_and_stay, begun);
  auto second = pool.apply_async({.timeout = 60ms}, square, 7);  // begins after more than 60 ms
  EXPECT_THROW(first.get(), TaskTimeout);
  EXPECT_EQ(second.get(), 49);
}

TEST_P(PoolLimitsTest, LeaveTasksAloneThatEndInTime) {
  Pool pool{options(2)};
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 500; ++i) {
    results.push_back(pool.apply_async({.timeout = 60s}, square, i));
  }
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i * i);
  }
}

TEST_P(PoolLimitsTest, LetATaskThatListensStopByItself) {
  Pool pool{options(1)};
  Value<int> begun{0};
  const int worker = pool.apply(::getpid);
  auto obedient = pool.apply_async({.timeout = 20ms, .grace = 60s}, work_until_stopped, begun);
  EXPECT_EQ(obedient.get(), 42);
  EXPECT_EQ(pool.apply(::getpid), worker) << "its worker goes on";
}

TEST_P(PoolLimitsTest, KillATaskThatListensAndGoesOn) {
  Pool pool{options(1)};
  auto stubborn = pool.apply_async({.timeout = 10ms, .grace = 20ms}, [] {
    while (this_task::stop_requested() || true) {
      std::this_thread::yield();
    }
  });
  EXPECT_THROW(stubborn.get(), TaskTimeout);
  EXPECT_EQ(pool.apply(square, 3), 9);
}

TEST_P(PoolLimitsTest, ReachATaskByItsStopToken) {
  Pool pool{options(1)};
  for (int i = 0; i < 3; ++i) {
    // It must have asked for the token by then, however busy the machine is.
    auto waiting = pool.apply_async({.timeout = 300ms, .grace = 60s}, [] {
      const std::stop_token token = this_task::stop_token();
      std::atomic<bool> told{false};
      const std::stop_callback tell{token, [&] {
                                      told.store(true);
                                      told.notify_all();
                                    }};
      told.wait(false);
      return token.stop_requested();
    });
    EXPECT_TRUE(waiting.get());
    EXPECT_FALSE(pool.apply([] { return this_task::stop_token().stop_requested(); }))
        << "the request was for the task before";
  }
}

TEST(ThisTask, IsNeverAskedToStopOutsideOfATask) {
  EXPECT_FALSE(this_task::stop_requested());
  EXPECT_FALSE(this_task::stop_token().stop_possible());
}

TEST_P(PoolLimitsTest, CancelWhatHasNotBegun) {
  Pool pool{options(1)};
  Value<int> begun{0};
  auto running = pool.apply_async(begin_and_stay, begun);
  auto queued = pool.apply_async(square, 3);
  std::vector<AsyncResult<int>> behind;
  for (int i = 0; i < 400; ++i) {  // more than the board has slots
    behind.push_back(pool.apply_async(square, i));
  }
  wait_for(begun, 1);
  EXPECT_TRUE(queued.cancel());
  EXPECT_TRUE(queued.ready());
  EXPECT_THROW(queued.get(), Cancelled);
  EXPECT_TRUE(behind.back().cancel());
  EXPECT_THROW(behind.back().get(), Cancelled);
  EXPECT_FALSE(queued.cancel()) << "it has ended";
  EXPECT_TRUE(running.cancel());
  EXPECT_THROW(running.get(), Cancelled);
  EXPECT_EQ(behind.front().get(), 0);
  EXPECT_FALSE(behind.front().cancel());
}

TEST_P(PoolLimitsTest, CancelOnlyTheTaskThatRuns) {
  Pool pool{options(1)};
  for (int i = 0; i < 20; ++i) {
    Value<int> begun{0};
    auto running = pool.apply_async(begin_and_stay, begun);
    auto next = pool.apply_async(square, i);
    wait_for(begun, 1);
    EXPECT_TRUE(running.cancel());
    EXPECT_EQ(next.get(), i * i) << "the worker was killed for another's task";
    EXPECT_THROW(running.get(), Cancelled);
  }
}

TEST_P(PoolLimitsTest, CancelATaskThatStopsByItselfWithoutADeath) {
  Pool pool{options(1)};
  const int worker = pool.apply(::getpid);
  Value<int> begun{0};
  auto obedient = pool.apply_async({.grace = 60s}, work_until_stopped, begun);
  wait_for(begun, 1);
  EXPECT_TRUE(obedient.cancel());
  EXPECT_THROW(obedient.get(), Cancelled);
  EXPECT_EQ(pool.apply(::getpid), worker);
}

// Nobody looks at the board meanwhile, and what was cancelled must not fill it up.
TEST_P(PoolLimitsTest, CancelMoreThanTheBoardHasRoomFor) {
  Pool pool{options(1)};
  Value<int> begun{0};
  auto running = pool.apply_async(begin_and_stay, begun);
  wait_for(begun, 1);
  for (int i = 0; i < 3000; ++i) {
    EXPECT_TRUE(pool.apply_async(square, i).cancel());
  }
  auto last = pool.apply_async(square, 6);
  running.cancel();
  EXPECT_EQ(last.get(), 36);
}

// Cancelled while its worker commits, again and again: each is cancelled or has its value, and no
// other task is hit.
TEST_P(PoolLimitsTest, CancelTasksAboutToEnd) {
  Pool pool{options(2)};
  for (int i = 0; i < 100; ++i) {
    auto one = pool.apply_async(square, i);
    auto other = pool.apply_async(square, i + 1);
    const bool cancelled = one.cancel();
    if (cancelled) {
      EXPECT_THROW(one.get(), Cancelled);
    } else {
      EXPECT_EQ(one.get(), i * i);
    }
    EXPECT_EQ(other.get(), (i + 1) * (i + 1));
  }
}

TEST_P(PoolLimitsTest, CancelAWholeMap) {
  Pool pool{options(2)};
  auto all = pool.map_async([](int) { stay(); }, std::vector<int>(600), {.chunksize = 1});
  all.cancel();
  EXPECT_THROW(all.get(), Cancelled);
  EXPECT_EQ(pool.apply(square, 4), 16);
}

TEST_P(PoolLimitsTest, TryAgainWhenTheWorkerDied) {
  Pool pool{options(2)};
  Value<int> tries{0};
  auto flaky = pool.apply_async(
      {.retries = 3},
      [](Value<int> t) {
        if (++*t < 3) {
          std::raise(SIGKILL);
        }
        return *t;
      },
      tries);
  EXPECT_EQ(flaky.get(), 3);
}

TEST_P(PoolLimitsTest, GiveUpWhenTheRetriesAreSpent) {
  Pool pool{options(1)};
  Value<int> tries{0};
  auto hopeless = pool.apply_async(
      {.retries = 2},
      [](Value<int> t) {
        ++*t;
        std::raise(SIGKILL);
      },
      tries);
  EXPECT_THROW(hopeless.get(), WorkerDied);
  EXPECT_EQ(*tries, 3);
  EXPECT_EQ(pool.apply(square, 5), 25);
}

TEST_P(PoolLimitsTest, TryOnlyOnceUnlessToldOtherwise) {
  Pool pool{options(1)};
  Value<int> tries{0};
  auto thrower = pool.apply_async(
      {.retries = 5},
      [](Value<int> t) {
        ++*t;
        throw std::domain_error{"as ever"};
      },
      tries);
  EXPECT_THROW(thrower.get(), std::domain_error);
  EXPECT_EQ(*tries, 1) << "what a task throws is its outcome";
}

TEST_P(PoolLimitsTest, TryAgainWhatThrewWhenToldSo) {
  Pool pool{options(1)};
  Value<int> tries{0};
  auto flaky = pool.apply_async(
      {.retries = 5, .retry_exceptions = true},
      [](Value<int> t) {
        if (++*t < 4) {
          throw std::domain_error{"not yet"};
        }
        return *t;
      },
      tries);
  EXPECT_EQ(flaky.get(), 4);
}

TEST_P(PoolLimitsTest, WaitLongerBeforeEachRetry) {
  Pool pool{options(1)};
  Value<int> tries{0};
  const auto begin = Clock::now();
  auto flaky = pool.apply_async(
      {.retries = 2, .backoff = 20ms},
      [](Value<int> t) {
        if (++*t < 3) {
          std::raise(SIGKILL);
        }
        return *t;
      },
      tries);
  EXPECT_EQ(flaky.get(), 3);
  EXPECT_GE(Clock::now() - begin, 60ms);
}

TEST_P(PoolLimitsTest, RetryAfterATimeout) {
  Pool pool{options(1)};
  Value<int> tries{0};
  auto slow = pool.apply_async(
      {.timeout = 30ms, .retries = 1},
      [](Value<int> t) {
        if (++*t == 1) {
          stay();
        }
        return *t;
      },
      tries);
  EXPECT_EQ(slow.get(), 2);
}

TEST_P(PoolLimitsTest, FinishRetriesAfterClose) {
  Pool pool{options(2)};
  Value<int> tries{0};
  auto flaky = pool.apply_async(
      {.retries = 3, .backoff = 10ms},
      [](Value<int> t) {
        if (++*t < 4) {
          std::raise(SIGKILL);
        }
        return *t;
      },
      tries);
  pool.close();
  pool.join();
  EXPECT_EQ(flaky.get(), 4);
}

// Workers that find nothing leave once the pool closes; that must not look as if none could live.
TEST_P(PoolLimitsTest, FinishALongTaskAfterClose) {
  Pool pool{options(2)};
  Value<int> begun{0};
  Value<int> go{0};
  auto lasting = pool.apply_async(
      [](Value<int> b, Value<int> g) {
        ++*b;
        wait_for(g, 1);
        return 1;
      },
      begun, go);
  wait_for(begun, 1);
  pool.close();
  while (active_children().size() > (GetParam() == StartMethod::fork ? 2u : 1u)) {
    std::this_thread::yield();  // the idle worker is leaving
  }
  ++*go;
  pool.join();
  EXPECT_EQ(lasting.get(), 1);
}

TEST_P(PoolLimitsTest, LimitTheChunksOfAMap) {
  Pool pool{options(2)};
  EXPECT_THROW(pool.map(
                   [](int x) {
                     if (x == 2) {
                       stay();
                     }
                     return x;
                   },
                   std::vector{1, 2, 3}, MapOptions{.chunksize = 1, .timeout = 30ms}),
               TaskTimeout);
  EXPECT_EQ(pool.map(square, std::vector{1, 2}, MapOptions{.timeout = 60s}).back(), 4);
}

TEST_P(PoolLimitsTest, TellThemselvesWhetherAResultWasCalledBack) {
  Pool pool{options(1)};
  std::atomic<int> failures{0};
  Value<int> begun{0};
  auto running = pool.apply_async(
      {.error_callback = [&](const std::exception_ptr&) { ++failures; }}, begin_and_stay, begun);
  wait_for(begun, 1);
  running.cancel();
  running.wait();
  EXPECT_EQ(failures, 1);
}

TEST(PoolLimits, RefuseWhatCannotBe) {
  EXPECT_THROW(TimeLimit{0ms}, UsageError);
  EXPECT_THROW(TimeLimit{-1s}, UsageError);
  EXPECT_TRUE(TimeLimit{std::chrono::hours::max()}.is_none());
  EXPECT_EQ(TimeLimit{std::chrono::duration<double>{0.5}}.nanoseconds(), 500'000'000);
  Pool pool{1};
  EXPECT_THROW(pool.apply_async({.retries = -1}, square, 1), UsageError);
  EXPECT_THROW(pool.apply_async({.backoff = -1s}, square, 1), UsageError);
}

}  // namespace
}  // namespace mp
