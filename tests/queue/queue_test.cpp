// SPDX-License-Identifier: Apache-2.0
#include "mp/queue/queue.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mp/codec.hpp"
#include "mp/queue/joinable_queue.hpp"
#include "mp/queue/simple_queue.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

TEST(Queue, GivesBackInOrderWhatWasPut) {
  Queue<std::string> queue;
  queue.put("one");
  queue.put("two");
  queue.put(std::string(5000, 'x'));
  EXPECT_EQ(queue.qsize(), 3u);
  EXPECT_EQ(queue.get(), "one");
  EXPECT_EQ(queue.get(), "two");
  EXPECT_EQ(queue.get(), std::string(5000, 'x'));
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(queue.full());
}

TEST(Queue, IsFullAtItsBound) {
  Queue<int> queue{2};
  EXPECT_EQ(queue.maxsize(), 2u);
  queue.put(1);
  EXPECT_FALSE(queue.full());
  EXPECT_TRUE(queue.try_put(2));
  EXPECT_TRUE(queue.full());
  EXPECT_FALSE(queue.try_put(3));
  EXPECT_FALSE(queue.try_put_for(3, 1ms));
  EXPECT_THROW(queue.put_nowait(3), Full);
  EXPECT_THROW(queue.put(3, 1ms), Full);
  EXPECT_EQ(queue.qsize(), 2u);
  for (int i = 1; i < 2000; ++i) {
    EXPECT_EQ(queue.get(), i);
    queue.put_nowait(i + 2);
  }
}

TEST(Queue, IsEmptyForAllFormsOfGet) {
  Queue<int> queue;
  EXPECT_EQ(queue.try_get(), std::nullopt);
  EXPECT_EQ(queue.try_get_for(1ms), std::nullopt);
  EXPECT_THROW(queue.get_nowait(), Empty);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(queue.get(20ms), Empty);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms);
  queue.put(7);
  EXPECT_EQ(queue.try_get(), 7);
}

TEST(Queue, WaitsForRoom) {
  Queue<int> queue{1};
  queue.put(0);
  std::thread reader{[&] {
    for (int i = 0; i <= 1000; ++i) {
      EXPECT_EQ(queue.get(), i);
    }
  }};
  for (int i = 1; i <= 1000; ++i) {
    queue.put(i);
  }
  reader.join();
}

TEST(Queue, PutsAndGetsMany) {
  Queue<int> queue;
  std::vector<int> values(1500);
  std::iota(values.begin(), values.end(), 0);
  queue.put_many(values);
  EXPECT_EQ(queue.qsize(), 1500u);
  std::vector<int> got = queue.get_many(1000);
  EXPECT_EQ(got.size(), 1000u);
  const std::vector<int> rest = queue.get_many(1000);
  got.insert(got.end(), rest.begin(), rest.end());
  EXPECT_EQ(got, values);
  EXPECT_TRUE(queue.get_many(3, 1ms).empty());

  Queue<int> bounded{10};
  EXPECT_THROW(bounded.put_many(values, 1ms), Full);
  EXPECT_EQ(bounded.qsize(), 10u);
}

TEST(Queue, PutManyWaitsForRoomWithoutDeadlock) {
  Queue<int> queue{8};
  std::vector<int> values(5000);
  std::iota(values.begin(), values.end(), 0);
  std::thread writer{[&] { queue.put_many(values); }};
  for (const int value : values) {
    ASSERT_EQ(queue.get(), value);
  }
  writer.join();
}

TEST(Queue, IsClosedForThisProcess) {
  Queue<int> queue;
  const Queue<int> copy = queue;
  queue.put(1);
  queue.close();
  EXPECT_THROW(queue.put(2), QueueClosed);
  EXPECT_THROW(Queue<int>{copy}.get(), QueueClosed);
  EXPECT_THROW(queue.try_get(), QueueClosed);
  EXPECT_EQ(queue.qsize(), 1u);
}

TEST(Queue, CloseEndsAGetThatWaits) {
  Queue<int> queue;
  std::thread reader{[&] { EXPECT_THROW(queue.get(), QueueClosed); }};
  queue.close();
  reader.join();
}

TEST(Queue, ShutdownLetsReadersFinish) {
  Queue<int> queue;
  queue.put(1);
  queue.put(2);
  queue.shutdown();
  EXPECT_THROW(queue.put(3), QueueClosed);
  EXPECT_EQ(queue.get(), 1);
  EXPECT_EQ(queue.try_get(), 2);
  EXPECT_THROW(queue.get(), QueueClosed);
  EXPECT_THROW(queue.try_get(), QueueClosed);
}

TEST(Queue, ImmediateShutdownDropsEverything) {
  JoinableQueue<std::string> queue;
  queue.put("short");
  queue.put(std::string(10000, 'l'));
  queue.shutdown(true);
  EXPECT_THROW(queue.get(), QueueClosed);
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.join(0ms));
}

TEST(Queue, ShutdownWakesAllWhoWait) {
  Queue<int> queue{1};
  queue.put(1);
  Queue<int> other;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&] { EXPECT_THROW(queue.put(2), QueueClosed); });
    waiters.emplace_back([&] { EXPECT_THROW(other.get(), QueueClosed); });
  }
  queue.shutdown();
  other.shutdown();
  for (std::thread& waiter : waiters) {
    waiter.join();
  }
}

TEST(Queue, ShutdownLosesNothingThatWasPut) {
  for (int round = 0; round < 50; ++round) {
    Queue<int> queue;
    std::atomic<int> put{0};
    std::vector<std::thread> writers;
    for (int w = 0; w < 2; ++w) {
      writers.emplace_back([&] {
        try {
          for (;;) {
            queue.put(1);
            put.fetch_add(1);
          }
        } catch (const QueueClosed&) {
        }
      });
    }
    int got = 0;
    std::thread reader{[&] {
      for (const int value : queue) {
        got += value;
      }
    }};
    while (put.load() < 100) {
      std::this_thread::yield();
    }
    queue.shutdown();
    for (std::thread& writer : writers) {
      writer.join();
    }
    reader.join();
    ASSERT_EQ(got, put.load());
  }
}

TEST(Queue, IsIteratedUntilItIsShutDown) {
  Queue<int> queue;
  for (int i = 0; i < 10; ++i) {
    queue.put(i);
  }
  queue.shutdown();
  std::vector<int> got;
  for (const int value : queue) {
    got.push_back(value);
  }
  EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(Queue, RefusesTheWrongTypeAndLosesNothing) {
  Queue<int> numbers;
  Queue<std::string> words{numbers.raw()};
  EXPECT_TRUE(words.raw() == numbers.raw());
  numbers.put(5);
  try {
    words.get();
    FAIL();
  } catch (const TypeMismatch& error) {
    EXPECT_EQ(decode<int>(error.message()), 5);
  }
  RawQueue::Draft draft;
  draft.begin(3)[0] = std::byte{42};
  ASSERT_EQ(numbers.raw().put(draft, Deadline::now()), RawQueue::Outcome::done);
  try {
    numbers.get();
    FAIL();
  } catch (const DecodeError& error) {
    ASSERT_EQ(error.message().size(), 3u);
    EXPECT_EQ(error.message()[0], std::byte{42});
  }
}

TEST(Queue, CarriesQueues) {
  SimpleQueue<Queue<int>> queues;
  {
    Queue<int> inner;
    inner.put(7);
    queues.put(inner);
  }
  EXPECT_FALSE(queues.empty());
  Queue<int> inner = queues.get();  // alive only because the item held it
  EXPECT_EQ(inner.get(), 7);
  EXPECT_TRUE(queues.empty());

  Queue<std::map<std::string, JoinableQueue<int>>> maps;
  maps.put({{"a", JoinableQueue<int>{}}, {"b", JoinableQueue<int>{3}}});
  EXPECT_EQ(maps.get().at("b").maxsize(), 3u);
}

TEST(Queue, KeepsTheOrderOfEveryThread) {
  constexpr int kThreads = 4;
  constexpr int kEach = 20000;
  Queue<std::pair<int, int>> queue;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&queue, t] {
      for (int i = 0; i < kEach; ++i) {
        queue.put({t, i});
      }
    });
  }
  std::vector<int> next(kThreads, 0);
  for (int i = 0; i < kThreads * kEach; ++i) {
    const auto [t, value] = queue.get();
    ASSERT_EQ(value, next[static_cast<std::size_t>(t)]++);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(queue.empty());
}

TEST(Queue, ServesManyThreadsAtBothEnds) {
  for (const std::size_t bound : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    constexpr int kThreads = 3;
    constexpr std::int64_t kEach = 5000;
    Queue<std::int64_t> queue{bound};
    std::atomic<std::int64_t> sum{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (std::int64_t i = 1; i <= kEach; ++i) {
          queue.put(i);
        }
      });
      threads.emplace_back([&] {
        for (std::int64_t i = 0; i < kEach; ++i) {
          sum += queue.get();
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_EQ(sum.load(), kThreads * kEach * (kEach + 1) / 2);
    EXPECT_EQ(queue.qsize(), 0u);
  }
}

TEST(JoinableQueue, IsJoinedWhenEveryItemIsDone) {
  JoinableQueue<int> queue;
  EXPECT_TRUE(queue.join(0ms));
  for (int i = 0; i < 1000; ++i) {
    queue.put(i);
  }
  EXPECT_FALSE(queue.join(1ms));
  std::thread worker{[&] {
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(queue.get(), i);
      queue.task_done();
    }
  }};
  EXPECT_TRUE(queue.join());
  EXPECT_TRUE(queue.empty());
  worker.join();
  EXPECT_THROW(queue.task_done(), UsageError);
  EXPECT_TRUE(queue.join());
}

TEST(SimpleQueue, PutsAndGets) {
  SimpleQueue<std::vector<int>> queue;
  EXPECT_TRUE(queue.empty());
  queue.put({1, 2, 3});
  EXPECT_FALSE(queue.empty());
  EXPECT_EQ(queue.get(), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(queue.try_get(), std::nullopt);
  EXPECT_THROW(queue.get(1ms), Empty);
  queue.close();
  EXPECT_THROW(queue.put({}), QueueClosed);
}

}  // namespace
}  // namespace mp
