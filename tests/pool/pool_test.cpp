// SPDX-License-Identifier: Apache-2.0
#include "mp/pool.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/process/current.hpp"
#include "mp/process/fn.hpp"
#include "mp/process/partial.hpp"
#include "mp/shared.hpp"

#include "memory/allocator.hpp"
#include "pool/pool_test_base.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

int square(int x) {
  return x * x;
}
int add(int a, int b) {
  return a + b;
}
int fail_on_three(int x) {
  if (x == 3) {
    throw std::out_of_range{"three"};
  }
  return x;
}
int process_id() {
  return ::getpid();
}
void stay() {
  for (;;) {
    ::pause();
  }
}

int base = 0;
void set_base(int value) {
  base = value;
}
int plus_base(int x) {
  return x + base;
}
void fail_to_start() {
  throw std::domain_error{"no licence"};
}

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

class PoolTest : public test::PoolTestBase {};
MP_FOR_ALL_START_METHODS(PoolTest);

TEST_P(PoolTest, AppliesAFunction) {
  Pool pool{options(2)};
  EXPECT_EQ(pool.apply(square, 7), 49);
  EXPECT_EQ(pool.apply([](const std::string& s) { return s + "!"; }, "hello"), "hello!");
  EXPECT_EQ(pool.apply(fn<square>, 3), 9);
  pool.apply([] {});
}

TEST_P(PoolTest, MapsInOrderWhateverTheChunkSize) {
  Pool pool{options(3)};
  const std::vector<int> xs = numbers(257);
  std::vector<int> wanted;
  for (const int x : xs) {
    wanted.push_back(x * x);
  }
  EXPECT_EQ(pool.map(square, xs), wanted);
  for (const std::size_t chunk : {1u, 2u, 100u, 1000u}) {
    EXPECT_EQ(pool.map(square, xs, chunk), wanted);
  }
  EXPECT_EQ(pool.map(square, std::vector<int>{}), std::vector<int>{});
  EXPECT_EQ(pool.map(partial(add, 5), std::vector{1, 2}), (std::vector{6, 7}));
  EXPECT_EQ(pool.starmap(add, std::vector<std::tuple<int, int>>{{1, 2}, {3, 4}}),
            (std::vector{3, 7}));
  pool.map([](int) {}, xs);
}

TEST_P(PoolTest, IteratesInOrderAndAsFinished) {
  Pool pool{options(2)};
  int next = 0;
  const std::vector<int> xs = numbers(100);
  for (const int y : pool.imap(square, xs, 3)) {
    EXPECT_EQ(y, next * next);
    ++next;
  }
  EXPECT_EQ(next, 100);
  std::multiset<int> seen;
  for (const int y : pool.imap_unordered(square, numbers(50))) {
    seen.insert(y);
  }
  EXPECT_EQ(seen.size(), 50u);
  EXPECT_EQ(*seen.rbegin(), 49 * 49);
}

TEST_P(PoolTest, DeliversExceptionsWithTheirOwnType) {
  Pool pool{options(2)};
  EXPECT_THROW(pool.apply(fail_on_three, 3), std::out_of_range);
  EXPECT_THROW(pool.map(fail_on_three, numbers(10)), std::out_of_range);
  auto results = pool.imap(fail_on_three, numbers(5));
  int good = 0;
  int bad = 0;
  for (int i = 0; i < 5; ++i) {
    try {
      EXPECT_EQ(*results.next(), i);
      ++good;
    } catch (const std::out_of_range& error) {
      EXPECT_STREQ(error.what(), "three");
      EXPECT_NE(remote_info(error), nullptr);
      ++bad;
    }
  }
  EXPECT_EQ(good, 4);
  EXPECT_EQ(bad, 1);
  EXPECT_FALSE(results.next());
  EXPECT_EQ(pool.apply(square, 2), 4) << "the pool goes on";
}

TEST_P(PoolTest, RunsCallbacksBeforeTheResultIsReady) {
  Pool pool{options(2)};
  std::atomic<int> heard{0};
  auto good = pool.apply_async({.callback = [&](int y) { heard = y; }}, square, 6);
  good.wait();
  EXPECT_EQ(heard, 36);
  EXPECT_TRUE(good.successful());
  std::string why;
  auto bad = pool.apply_async({.error_callback =
                                   [&](const std::exception_ptr& error) {
                                     try {
                                       std::rethrow_exception(error);
                                     } catch (const std::exception& e) {
                                       why = e.what();
                                     }
                                   }},
                              fail_on_three, 3);
  EXPECT_THROW(bad.get(), std::out_of_range);
  EXPECT_EQ(why, "three");
  EXPECT_FALSE(bad.successful());
  std::size_t items = 0;
  auto all = pool.map_async(
      square, numbers(20),
      {.chunksize = 3, .callback = [&](const std::vector<int>& ys) { items = ys.size(); }});
  EXPECT_EQ(all.get().size(), 20u);
  EXPECT_EQ(items, 20u);
}

TEST_P(PoolTest, InitializesEveryWorker) {
  PoolOptions chosen = options(2);
  chosen.initializer = partial(set_base, 100);
  Pool pool{chosen};
  for (const int y : pool.map(plus_base, numbers(20), 1)) {
    EXPECT_GE(y, 100);
  }
}

TEST_P(PoolTest, FailsEveryTaskWithTheInitializersOwnException) {
  PoolOptions chosen = options(2);
  chosen.initializer = fail_to_start;
  Pool pool{chosen};
  EXPECT_THROW(pool.apply(square, 1), std::domain_error);
  EXPECT_THROW(pool.apply(square, 1), std::domain_error) << "also from then on";
}

TEST_P(PoolTest, ReplacesWorkersThatHaveDoneTheirShare) {
  PoolOptions chosen = options(1);
  chosen.maxtasksperchild = 3;
  Pool pool{chosen};
  std::map<int, int> tasks;
  for (int i = 0; i < 10; ++i) {
    ++tasks[pool.apply(process_id)];
  }
  EXPECT_EQ(tasks.size(), 4u);
  for (const auto& [pid, count] : tasks) {
    EXPECT_LE(count, 3);
  }
}

TEST_P(PoolTest, FailsOnlyTheTaskOfAKilledWorker) {
  Pool pool{options(2)};
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 20; ++i) {
    results.push_back(pool.apply_async(
        [](int x) {
          if (x == 7) {
            std::raise(SIGKILL);
          }
          return x;
        },
        i));
  }
  for (int i = 0; i < 20; ++i) {
    if (i == 7) {
      try {
        results[7].get();
        ADD_FAILURE() << "the killed worker's task has a result";
      } catch (const WorkerDied& error) {
        EXPECT_EQ(error.signal(), SIGKILL);
        EXPECT_GT(error.pid(), 0);
      }
    } else {
      EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i);
    }
  }
  EXPECT_EQ(pool.map(square, numbers(8)).size(), 8u);
}

TEST_P(PoolTest, CarriesLargeArgumentsAndResults) {
  Pool pool{options(2)};
  const std::string big(3 << 20, 'x');
  EXPECT_EQ(pool.apply([](std::string s) { return s + "y"; }, big).size(), big.size() + 1);
  const std::uint64_t blocks = memory::heap_use().blocks;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(
        pool.apply([](const std::vector<double>& v) { return v; }, std::vector<double>(10000, 1.5))
            .size(),
        10000u);
  }
  EXPECT_LE(memory::heap_use().blocks, blocks + 1);
}

Buffer make_image(std::size_t size, int seed) {
  Buffer image{size};
  for (std::size_t i = 0; i < size; i += 4096) {
    image.bytes()[i] = static_cast<std::byte>(seed);
  }
  return image;
}
void paint(Buffer image, int colour) {
  image.bytes()[0] = static_cast<std::byte>(colour);
}
Array<double> grow(Array<double> given) {
  Array<double> result(given.size());
  for (std::size_t i = 0; i < given.size(); ++i) {
    result[i] = 2 * given[i];
  }
  given[0] = -1;
  return result;
}

TEST_P(PoolTest, ReturnsBuffersThatNobodyCopies) {
  constexpr std::size_t kSize = std::size_t{8} << 20;
  Pool pool{options(2)};
  pool.apply(make_image, std::size_t{1}, 1);
  const std::uint64_t blocks = memory::heap_use().blocks;
  {
    const Buffer image = pool.apply(make_image, kSize, 7);
    EXPECT_EQ(image.size(), kSize);
    EXPECT_EQ(image.bytes()[kSize - 4096], std::byte{7});
    pool.apply(paint, image, 9);
    EXPECT_EQ(image.bytes()[0], std::byte{9}) << "it is the very memory";
    const std::vector<Buffer> images =
        pool.map(partial(make_image, std::size_t{1} << 20), std::vector{1, 2, 3, 4}, 1);
    for (std::size_t i = 0; i < images.size(); ++i) {
      EXPECT_EQ(images[i].bytes()[4096], static_cast<std::byte>(i + 1));
    }
    int next = 1;
    for (const Buffer& one : pool.imap(partial(make_image, kSize), std::vector{1, 2, 3})) {
      EXPECT_EQ(one.bytes()[0], static_cast<std::byte>(next++));
    }
  }
  EXPECT_EVENTUALLY(memory::heap_use().blocks <= blocks);
}

TEST_P(PoolTest, ReturnsArraysThatOutliveTheirMaker) {
  const Array<double> given(1000);
  given[999] = 21;
  const Array<double> doubled = [&] {
    Pool pool{options(1)};
    const Array<double> result = pool.apply(grow, given);
    EXPECT_THROW(pool.apply([] { std::raise(SIGKILL); }), WorkerDied);
    return result;
  }();
  EXPECT_EQ(doubled.size(), 1000u);
  EXPECT_EQ(doubled[999], 42);
  EXPECT_EQ(given[0], -1) << "what is given is not copied either";
}

TEST_P(PoolTest, TakesMoreTasksThanTheBoardHasSlots) {
  Pool pool{options(2)};
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 2000; ++i) {
    results.push_back(pool.apply_async(square, i));
  }
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i * i);
  }
}

TEST_P(PoolTest, FinishesWhatItTookAfterClose) {
  Pool pool{options(2)};
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 500; ++i) {
    results.push_back(pool.apply_async(square, i));
  }
  pool.close();
  EXPECT_THROW(pool.apply_async(square, 1), PoolClosed);
  pool.join();
  for (int i = 0; i < 500; ++i) {
    EXPECT_TRUE(results[static_cast<std::size_t>(i)].ready());
    EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i * i);
  }
}

TEST_P(PoolTest, EndsAtOnceWhenTerminated) {
  Pool pool{options(2)};
  auto endless = pool.apply_async(stay);
  auto behind = pool.map_async(square, numbers(1000), {.chunksize = 1});
  pool.terminate();
  pool.join();
  EXPECT_THROW(endless.get(), PoolClosed);
  EXPECT_TRUE(behind.ready());
}

TEST_P(PoolTest, GivesUpWaitingInTime) {
  Pool pool{options(1)};
  auto endless = pool.apply_async(stay);
  EXPECT_THROW(endless.get(20ms), TimeoutError);
  EXPECT_FALSE(endless.wait(0ms));
  EXPECT_FALSE(endless.ready());
  EXPECT_THROW(static_cast<void>(endless.successful()), UsageError);
  auto results = pool.imap(square, numbers(3));
  EXPECT_THROW(results.next(10ms), TimeoutError);
}

TEST_P(PoolTest, TellsThatAResultIsReadyWhenNobodyWaits) {
  Pool pool{options(2)};
  const auto result = pool.apply_async(square, 4);
  EXPECT_EVENTUALLY(result.ready());
  const auto all = pool.map_async(square, numbers(1000), {.chunksize = 1});
  EXPECT_EVENTUALLY(all.ready());
  EXPECT_TRUE(all.successful());
}

TEST_P(PoolTest, ServesManyThreads) {
  Pool pool{options(2)};
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, &wrong, t] {
      for (int i = 0; i < 50; ++i) {
        if (pool.apply(add, t, i) != t + i) {
          ++wrong;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
}

TEST_P(PoolTest, ReadsARangeOnlyAWindowAhead) {
  Pool pool{options(1)};
  struct Counting {
    struct iterator {
      using value_type = int;
      using difference_type = std::ptrdiff_t;
      int* read;
      int at = 0;
      int operator*() const { return at; }
      iterator& operator++() {
        ++at;
        ++*read;
        return *this;
      }
      void operator++(int) { ++*this; }
      bool operator==(std::default_sentinel_t) const { return at == 1000000; }
    };
    int* read;
    iterator begin() const { return {read}; }
    std::default_sentinel_t end() const { return {}; }
  };
  int read = 0;
  const Counting endless{&read};
  auto results = pool.imap(square, endless);
  EXPECT_EQ(*results.next(), 0);
  EXPECT_LE(read, 100);
}

long resident_kib() {
  std::ifstream statm{"/proc/self/statm"};
  long total = 0;
  long resident = 0;
  statm >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE) / 1024;
}

TEST_P(PoolTest, IteratesOverAnyNumberOfItemsInConstantMemory) {
  Pool pool{options(2)};
  const auto run = [&](int count) {
    int last = -1;
    for (const int y : pool.imap([](int x) { return x; }, std::views::iota(0, count))) {
      last = y;
    }
    EXPECT_EQ(last, count - 1);
  };
  run(5'000);
  const long before = resident_kib();
  const std::uint64_t blocks = memory::heap_use().blocks;
  run(50'000);
  // Results of 50 000 tasks, were they kept, would be ten megabytes.
  EXPECT_LT(resident_kib(), before + 2048);
  EXPECT_LE(memory::heap_use().blocks, blocks);
}

TEST(Pool, RefusesBadOptions) {
  EXPECT_THROW(Pool{-1}, UsageError);
  EXPECT_THROW(Pool{0}, UsageError);
  PoolOptions options;
  options.maxtasksperchild = -1;
  EXPECT_THROW(Pool{options}, UsageError);
}

TEST(Pool, RefusesAChunkOfNothingAndAnEarlyJoin) {
  Pool pool{1};
  EXPECT_THROW(pool.map(square, numbers(3), std::size_t{0}), UsageError);
  EXPECT_THROW(pool.imap(square, numbers(3), 0), UsageError);
  EXPECT_THROW(pool.join(), UsageError);
}

TEST(Pool, BelongsToTheProcessThatMadeIt) {
  Pool pool{1};
  test::Child child{[&] { EXPECT_THROW(pool.apply(square, 1), WrongProcess); }};
  EXPECT_EQ(child.wait(), test::exited(0));
  EXPECT_EQ(pool.apply(square, 2), 4);
}

TEST(Pool, MovesWithoutItsWorkersNoticing) {
  Pool first{1};
  auto result = first.apply_async(square, 5);
  Pool second = std::move(first);
  EXPECT_EQ(second.apply(square, 6), 36);
  EXPECT_EQ(result.get(), 25);
}

TEST(Pool, LeavesResultsGoodAfterItsEnd) {
  std::vector<AsyncResult<int>> results;
  {
    Pool pool{2};
    results.push_back(pool.apply_async(square, 3));
    results.front().wait();
  }
  EXPECT_EQ(results.front().get(), 9);
}

}  // namespace
}  // namespace mp
