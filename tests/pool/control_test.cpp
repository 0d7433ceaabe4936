// SPDX-License-Identifier: Apache-2.0
// Which task comes next, and how many there may be.
#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/queue.hpp"
#include "mp/shared.hpp"
#include "mp/sync.hpp"

#include "pool/pool_test_base.hpp"
#include "support/eventually.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

int square(int x) {
  return x * x;
}
// Says that it is at work, and waits until it may end.
void hold_the_worker(Event begun, Event over) {
  begun.set();
  over.wait();
}
void note(Queue<int> order, int number) {
  order.put(number);
}

class PoolControlTest : public test::PoolTestBase {};
MP_FOR_ALL_START_METHODS(PoolControlTest);

// What was noted, once the worker is let go.
std::vector<int> noted(Queue<int>& order, int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) {
    numbers.push_back(order.get());
  }
  return numbers;
}

TEST_P(PoolControlTest, BeginsTheHighestPriorityFirst) {
  Pool pool{options(1)};
  Event begun, over;
  Queue<int> order;
  pool.apply_async(hold_the_worker, begun, over);
  begun.wait();
  for (const int priority : {0, -1, 2, 0, 1, 2, -1}) {
    pool.apply_async({.priority = priority}, note, order, priority);
  }
  over.set();
  EXPECT_EQ(noted(order, 7), (std::vector{2, 2, 1, 0, 0, -1, -1}));
}

TEST_P(PoolControlTest, OvertakesTasksThatLieOnTheBoardAlready) {
  Pool pool{options(1)};
  Event begun, over;
  Queue<int> order;
  pool.apply_async(hold_the_worker, begun, over);
  begun.wait();
  for (int i = 0; i < 600; ++i) {  // more than a board holds
    pool.apply_async(note, order, i);
  }
  pool.apply_async({.priority = 1}, note, order, -1);
  over.set();
  std::vector<int> expected{-1};
  for (int i = 0; i < 600; ++i) {
    expected.push_back(i);
  }
  EXPECT_EQ(noted(order, 601), expected);
}

TEST_P(PoolControlTest, KeepsTheOrderOfEqualsWhenTheyAreTakenBackOftenAndAMapAmongThem) {
  Pool pool{options(1)};
  Event begun, over;
  Queue<int> order;
  pool.apply_async(hold_the_worker, begun, over);
  begun.wait();
  std::vector<int> expected;
  for (int priority = 0; priority < 5; ++priority) {
    for (int i = 0; i < 20; ++i) {
      pool.apply_async({.priority = priority}, note, order, priority * 100 + i);
    }
  }
  std::vector<int> items(20);
  for (int i = 0; i < 20; ++i) {
    items[static_cast<std::size_t>(i)] = 500 + i;
  }
  pool.map_async(partial(note, order), items, {.chunksize = 3, .priority = 5});
  for (int priority = 5; priority >= 0; --priority) {
    for (int i = 0; i < 20; ++i) {
      expected.push_back(priority * 100 + i);
    }
  }
  over.set();
  EXPECT_EQ(noted(order, 120), expected);
}

TEST_P(PoolControlTest, LosesNoTaskWhilePrioritiesChangeUnderLoad) {
  Pool pool{options(3)};
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 3000; ++i) {
    results.push_back(pool.apply_async({.priority = i % 7}, square, i));
  }
  for (int i = 0; i < 3000; ++i) {
    EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i * i);
  }
}

TEST_P(PoolControlTest, CancelsTasksThatWaitWithAPriority) {
  Pool pool{options(1)};
  Event begun, over;
  Queue<int> order;
  pool.apply_async(hold_the_worker, begun, over);
  begun.wait();
  std::vector<AsyncResult<void>> results;
  for (int i = 0; i < 8; ++i) {
    results.push_back(pool.apply_async({.priority = i}, note, order, i));
  }
  EXPECT_TRUE(results[7].cancel());
  EXPECT_TRUE(results[0].cancel());
  over.set();
  EXPECT_EQ(noted(order, 6), (std::vector{6, 5, 4, 3, 2, 1}));
  EXPECT_THROW(results[7].get(), Cancelled);
}

TEST_P(PoolControlTest, MakesCallersWaitWhileTooManyTasksAreActive) {
  PoolOptions chosen = options(1);
  chosen.max_tasks_active = 3;
  Pool pool{chosen};
  Event begun, over;
  std::atomic<int> made{0};
  std::thread caller{[&] {
    pool.apply_async(hold_the_worker, begun, over);
    for (int i = 0; i < 5; ++i) {
      ++made;
      pool.apply_async(square, i);
    }
    made = 100;
  }};
  begun.wait();
  test::eventually([&] { return made == 3; });  // the third of them waits
  EXPECT_FALSE(over.is_set());
  EXPECT_EQ(made, 3);
  over.set();
  caller.join();
  EXPECT_EQ(made, 100);
  EXPECT_EQ(pool.map(square, std::vector{1, 2, 3, 4, 5, 6}, 1), (std::vector{1, 4, 9, 16, 25, 36}));
}

TEST_P(PoolControlTest, LetsCallbacksMakeCallsHoweverManyAreActive) {
  PoolOptions chosen = options(1);
  chosen.max_tasks_active = 1;
  Pool pool{chosen};
  std::atomic<int> sum{0};
  for (int i = 1; i <= 20; ++i) {
    pool.apply_async({.callback =
                          [&](const int& square_of_i) {
                            sum += square_of_i;
                            pool.apply_async({.callback = [&](const int& x) { sum += x; }}, square,
                                             1);
                          }},
                     square, i);
  }
  test::eventually([&] { return sum == 2870 + 20; });
}

TEST_P(PoolControlTest, RefusesACallThatWaitsWhenThePoolEnds) {
  PoolOptions chosen = options(1);
  chosen.max_tasks_active = 1;
  Pool pool{chosen};
  Event begun, over;
  pool.apply_async(hold_the_worker, begun, over);
  begun.wait();
  std::thread caller{[&] { EXPECT_THROW(pool.apply_async(square, 1), PoolClosed); }};
  pool.terminate();
  caller.join();
  pool.join();
}

TEST(ThreadPoolControl, BeginsTheHighestPriorityFirst) {
  ThreadPool pool{1};
  Event begun, over;
  Queue<int> order;
  pool.apply_async(hold_the_worker, begun, over);
  begun.wait();
  for (const int priority : {0, -1, 2, 0, 1}) {
    pool.apply_async({.priority = priority}, note, order, priority);
  }
  over.set();
  EXPECT_EQ(noted(order, 5), (std::vector{2, 1, 0, 0, -1}));
}

}  // namespace
}  // namespace mp
