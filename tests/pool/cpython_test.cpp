// SPDX-License-Identifier: Apache-2.0
// What CPython's own tests ask of a pool, one test for each of theirs: first the name of the class
// there, then that of the test. Where a type system answers, the test says so.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/process/current.hpp"
#include "mp/process/finalize.hpp"
#include "mp/shared.hpp"

#include "memory/allocator.hpp"
#include "pool/pool_test_base.hpp"
#include "support/scratch_dir.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

int square(int x) {
  return x * x;
}
int slow_square(int x) {
  std::this_thread::sleep_for(1ms);
  return x * x;
}
int multiply(int x, int y) {
  return x * y;
}
void stay() {
  for (;;) {
    ::pause();
  }
}
int fail_now(int) {
  throw std::domain_error{"as told"};
}

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}
std::vector<int> squares(int n) {
  std::vector<int> all = numbers(n);
  for (int& x : all) {
    x *= x;
  }
  return all;
}

struct SayWhen : std::runtime_error {
  SayWhen() : std::runtime_error{"when"} {}
};

// 0, 1, 2, ... and an exception when `when` is to be read.
class ThrowingRange {
 public:
  ThrowingRange(int total, int when) : total_{total}, when_{when} {}
  struct iterator {
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    int at;
    int when;
    int operator*() const {
      if (at == when) {
        throw SayWhen{};
      }
      return at;
    }
    iterator& operator++() {
      ++at;
      return *this;
    }
    void operator++(int) { ++at; }
    int total;
    bool operator==(std::default_sentinel_t) const { return at == total; }
  };
  iterator begin() const { return {0, when_, total_}; }
  std::default_sentinel_t end() const { return {}; }

 private:
  int total_;
  int when_;
};

// Something that cannot travel.
struct Unsendable {
  std::atomic<int>* pointer;
};

class CPythonPoolTest : public test::PoolTestBase {};
MP_FOR_ALL_START_METHODS(CPythonPoolTest);

TEST_P(CPythonPoolTest, TestPool_test_apply) {
  Pool pool{options(4)};
  EXPECT_EQ(pool.apply(square, 5), 25);
  EXPECT_EQ(pool.apply([] { return 7; }), 7);
}

TEST_P(CPythonPoolTest, TestPool_test_map) {
  Pool pool{options(4)};
  EXPECT_EQ(pool.map(square, numbers(10)), squares(10));
  EXPECT_EQ(pool.map(square, numbers(100), 20), squares(100));
}

TEST_P(CPythonPoolTest, TestPool_test_starmap) {
  Pool pool{options(4)};
  std::vector<std::pair<int, int>> tuples;
  std::vector<int> products;
  for (int i = 0; i < 100; ++i) {
    tuples.emplace_back(i, i + 1);
    products.push_back(i * (i + 1));
  }
  EXPECT_EQ(pool.starmap(multiply, tuples), products);
  EXPECT_EQ(pool.starmap(multiply, tuples, 20), products);
}

TEST_P(CPythonPoolTest, TestPool_test_starmap_async) {
  Pool pool{options(4)};
  const std::vector<std::tuple<int, int>> tuples{{0, 1}, {3, 4}, {5, 6}};
  EXPECT_EQ(pool.starmap_async(multiply, tuples).get(), (std::vector{0, 12, 30}));
}

TEST_P(CPythonPoolTest, TestPool_test_map_async) {
  Pool pool{options(4)};
  EXPECT_EQ(pool.map_async(square, numbers(10)).get(), squares(10));
}

TEST_P(CPythonPoolTest, TestPool_test_map_async_callbacks) {
  Pool pool{options(2)};
  std::vector<std::vector<int>> calls;
  int errors = 0;
  pool.map_async(square, std::vector{1}, {.callback = [&](const auto& ys) { calls.push_back(ys); }})
      .wait();
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0], std::vector{1});
  pool.map_async(fail_now, std::vector{1, 2},
                 {.callback = [&](const auto& ys) { calls.push_back(ys); },
                  .error_callback = [&](const std::exception_ptr&) { ++errors; }})
      .wait();
  EXPECT_EQ(calls.size(), 1u);
  EXPECT_EQ(errors, 1);
}

// Python: pickling a worker's argument fails when the map is running. Here it does not compile.
TEST_P(CPythonPoolTest, TestPool_test_map_unplicklable) {
  static_assert(!Codable<Unsendable>);
  static_assert(Codable<std::vector<int>>);
}

TEST_P(CPythonPoolTest, TestPool_test_map_chunksize) {
  Pool pool{options(2)};
  auto nothing = pool.map_async(square, std::vector<int>{}, {.chunksize = 1});
  EXPECT_TRUE(nothing.wait(5s));
  EXPECT_TRUE(nothing.get().empty());
}

TEST_P(CPythonPoolTest, TestPool_test_map_handle_iterable_exception) {
  Pool pool{options(2)};
  EXPECT_THROW(pool.map(square, ThrowingRange(1, 0)), SayWhen);
  EXPECT_THROW(pool.map(square, ThrowingRange(10, 3), 2), SayWhen);
  EXPECT_THROW(pool.map_async(square, ThrowingRange(5, 4)), SayWhen);
  EXPECT_EQ(pool.map(square, numbers(3)), squares(3)) << "the pool is unharmed";
}

TEST_P(CPythonPoolTest, TestPool_test_async) {
  Pool pool{options(4)};
  auto result = pool.apply_async(slow_square, 7);
  EXPECT_EQ(result.get(), 49);
  EXPECT_TRUE(result.ready());
}

TEST_P(CPythonPoolTest, TestPool_test_async_timeout) {
  Pool pool{options(4)};
  auto result = pool.apply_async(stay);
  const auto begin = Clock::now();
  EXPECT_THROW(result.get(20ms), TimeoutError);
  EXPECT_GE(Clock::now() - begin, 20ms);
  EXPECT_FALSE(result.wait(20ms));
}

TEST_P(CPythonPoolTest, TestPool_test_imap) {
  Pool pool{options(4)};
  std::vector<int> seen;
  std::ranges::copy(pool.imap(square, numbers(10)), std::back_inserter(seen));
  EXPECT_EQ(seen, squares(10));
  auto results = pool.imap(square, numbers(1000), 100);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(*results.next(), i * i);
  }
  EXPECT_FALSE(results.next());
}

TEST_P(CPythonPoolTest, TestPool_test_imap_handle_iterable_exception) {
  Pool pool{options(2)};
  auto at_once = pool.imap(square, ThrowingRange(1, 0), 1);
  EXPECT_THROW(at_once.next(), SayWhen);
  auto third = pool.imap(square, ThrowingRange(20, 3), 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(*third.next(), i * i);
  }
  EXPECT_THROW(third.next(), SayWhen);
  // What was read of a chunk that could not be filled is lost, as in CPython.
  auto chunked = pool.imap(square, ThrowingRange(20, 7), 2);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(*chunked.next(), i * i);
  }
  EXPECT_THROW(chunked.next(), SayWhen);
  auto wide = pool.imap(square, ThrowingRange(20, 7), 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(*wide.next(), i * i);
  }
  EXPECT_THROW(wide.next(), SayWhen);
}

TEST_P(CPythonPoolTest, TestPool_test_imap_unordered) {
  Pool pool{options(4)};
  for (const std::size_t chunk : {1u, 100u}) {
    std::vector<int> seen;
    for (const int y : pool.imap_unordered(square, numbers(300), chunk)) {
      seen.push_back(y);
    }
    std::ranges::sort(seen);
    EXPECT_EQ(seen, squares(300));
  }
}

TEST_P(CPythonPoolTest, TestPool_test_imap_unordered_handle_iterable_exception) {
  Pool pool{options(2)};
  auto at_once = pool.imap_unordered(square, ThrowingRange(1, 0), 1);
  EXPECT_THROW(at_once.next(), SayWhen);
  for (const std::size_t chunk : {1u, 2u}) {
    auto results = pool.imap_unordered(square, ThrowingRange(10, 6), chunk);
    std::set<int> seen;
    for (int i = 0; i < 6; ++i) {
      seen.insert(*results.next());
    }
    EXPECT_THROW(results.next(), SayWhen);
    EXPECT_EQ(seen, (std::set{0, 1, 4, 9, 16, 25}));
  }
}

TEST_P(CPythonPoolTest, TestPool_test_make_pool) {
  EXPECT_THROW(Pool{-1}, UsageError);
  EXPECT_THROW(Pool{0}, UsageError);
  Pool pool{options(3)};
  EXPECT_EQ(pool.processes(), 3);
  pool.close();
  pool.join();
}

TEST_P(CPythonPoolTest, TestPool_test_terminate) {
  Pool pool{options(4)};
  auto result = pool.map_async([](int) { stay(); }, numbers(10000), {.chunksize = 1});
  pool.terminate();
  const auto begin = Clock::now();
  pool.join();
  EXPECT_LT(Clock::now() - begin, 20s) << "it does not wait for the tasks";
  EXPECT_THROW(result.get(), PoolClosed);
}

TEST_P(CPythonPoolTest, TestPool_test_empty_iterable) {
  Pool pool{options(1)};
  const std::vector<int> none;
  EXPECT_EQ(pool.map(square, none), none);
  EXPECT_FALSE(pool.imap(square, none).next());
  EXPECT_FALSE(pool.imap_unordered(square, none).next());
  EXPECT_EQ(pool.map_async(square, none).get(), none);
}

// Python: leaving `with` terminates. Here leaving the scope does.
TEST_P(CPythonPoolTest, TestPool_test_context) {
  std::vector<int> result;
  auto endless = [&] {
    Pool pool{options(2)};
    result = pool.map_async(square, numbers(10)).get();
    return pool.apply_async(stay);
  }();
  EXPECT_EQ(result, squares(10));
  EXPECT_THROW(endless.get(), PoolClosed);
}

TEST_P(CPythonPoolTest, TestPool_test_traceback) {
  Pool pool{options(1)};
  try {
    pool.apply([]() -> int { throw std::runtime_error{"123"}; });
    ADD_FAILURE();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "123");
    ASSERT_NE(remote_info(error), nullptr);
    EXPECT_NE(remote_info(error)->pid, ::getpid());
    EXPECT_EQ(remote_info(error)->type_name, "std::runtime_error");
    EXPECT_NE(remote_info(error)->process_name.find("PoolWorker"), std::string::npos);
  }
}

// Python: an exception that was raised `from None` or wrapped keeps its type through the pool.
TEST_P(CPythonPoolTest, TestPool_test_wrapped_exception) {
  Pool pool{options(1)};
  EXPECT_THROW(pool.apply([]() -> int {
    try {
      throw std::logic_error{"inner"};
    } catch (...) {
      std::throw_with_nested(std::runtime_error{"foo"});
    }
  }),
               std::runtime_error);
}

TEST_P(CPythonPoolTest, TestPool_test_map_no_failfast) {
  Pool pool{options(2)};
  Value<int> done{0};
  EXPECT_THROW(pool.map(partial(
                            [](Value<int> count, int x) {
                              if (x == 0) {
                                throw std::domain_error{"the first"};
                              }
                              const std::scoped_lock hold{count};
                              ++*count;
                              return x;
                            },
                            done),
                        numbers(30), 1),
               std::domain_error);
  EXPECT_EQ(*done, 29) << "all others have been run by then";
}

// Python: arguments of tasks are let go. Here: their blocks, and the objects in them.
TEST_P(CPythonPoolTest, TestPool_test_release_task_refs) {
  Pool pool{options(2)};
  pool.map([](const std::string& s) { return s.size(); }, std::vector<std::string>(4, "warm"), 1);
  const std::uint64_t blocks = memory::heap_use().blocks;
  {
    std::vector<Value<int>> objects;
    for (int i = 0; i < 10; ++i) {
      objects.emplace_back(i);
    }
    pool.map([](Value<int> value) { return *value; }, objects, 1);
    pool.map([](const std::string& s) { return s; },
             std::vector<std::string>(10, std::string(100'000, 'x')), 1);
  }
  EXPECT_LE(memory::heap_use().blocks, blocks);
}

// Python: entering a closed pool's context is an error. Here there is nothing to enter, and every
// call after close says so.
TEST_P(CPythonPoolTest, TestPool_test_enter) {
  Pool pool{options(1)};
  pool.close();
  EXPECT_THROW(pool.apply(square, 1), PoolClosed);
  EXPECT_THROW(pool.map(square, numbers(2)), PoolClosed);
  EXPECT_THROW(pool.imap(square, numbers(2)), PoolClosed);
  EXPECT_THROW(pool.imap_unordered(square, numbers(2)), PoolClosed);
  pool.join();
}

// Python: a pool that is dropped while it runs warns. Here its destructor ends it, and leaves
// nothing: the leak sentinel of these tests would tell.
TEST_P(CPythonPoolTest, TestPool_test_resource_warning) {
  auto pool = std::make_unique<Pool>(options(1));
  auto result = pool->apply_async(stay);
  pool.reset();
  EXPECT_TRUE(result.ready());
}

TEST_P(CPythonPoolTest, TestPoolWorkerErrors_test_async_error_callback) {
  Pool pool{options(2)};
  int errors = 0;
  auto result =
      pool.apply_async({.error_callback =
                            [&](const std::exception_ptr& error) {
                              ++errors;
                              EXPECT_THROW(std::rethrow_exception(error), std::domain_error);
                            }},
                       fail_now, 1);
  EXPECT_THROW(result.get(), std::domain_error);
  EXPECT_EQ(errors, 1);
}

// What throws when it is written: the outcome is that exception, and the worker goes on.
struct Unwritable {
  int depth = 0;
  std::vector<Unwritable> inner = {};
};
Unwritable nested(int depth) {
  Unwritable value{depth, {}};
  if (depth > 0) {
    value.inner.push_back(nested(depth - 1));
  }
  return value;
}

TEST_P(CPythonPoolTest, TestPoolWorkerErrors_test_unpickleable_result) {
  Pool pool{options(1)};
  const int worker = pool.apply(::getpid);
  for (int i = 0; i < 20; ++i) {
    int errors = 0;
    const auto result = pool.apply_async(
        {.error_callback = [&](const std::exception_ptr&) { ++errors; }}, nested, 1000);
    EXPECT_THROW(result.get(), UsageError);
    EXPECT_EQ(errors, 1);
  }
  EXPECT_EQ(pool.apply(nested, 3).depth, 3);
  EXPECT_EQ(pool.apply(::getpid), worker);
}

TEST_P(CPythonPoolTest, TestPoolWorkerLifetime_test_pool_worker_lifetime) {
  PoolOptions chosen = options(3);
  chosen.maxtasksperchild = 10;
  Pool pool{chosen};
  std::map<int, int> tasks;
  for (int i = 0; i < 300; ++i) {
    ++tasks[pool.apply(::getpid)];
  }
  EXPECT_GE(tasks.size(), 30u) << "every worker is gone after ten tasks";
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(pool.apply_async(square, i).get(), i * i);
  }
  pool.close();
  pool.join();
}

TEST_P(CPythonPoolTest, TestPoolWorkerLifetime_test_pool_worker_lifetime_early_close) {
  PoolOptions chosen = options(3);
  chosen.maxtasksperchild = 1;
  Pool pool{chosen};
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 6; ++i) {
    results.push_back(pool.apply_async(slow_square, i));
  }
  pool.close();
  pool.join();
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i * i);
  }
}

TEST_P(CPythonPoolTest, TestPoolWorkerLifetime_test_pool_maxtasksperchild_invalid) {
  PoolOptions chosen = options(3);
  chosen.maxtasksperchild = -1;
  EXPECT_THROW(Pool{chosen}, UsageError);
}

int leave_word_at_exit(const std::string& path) {
  static const Finalize at_exit{[path] { std::ofstream{path} << "gone in order"; }};
  return 1;
}

TEST_P(CPythonPoolTest,
       TestPoolWorkerLifetime_test_worker_finalization_via_atexit_handler_of_multiprocessing) {
  const test::ScratchDir place;
  const std::string path = place.path() / "word";
  Pool pool{options(1)};
  pool.apply(leave_word_at_exit, path);
  pool.close();
  pool.join();
  std::ifstream word{path};
  std::string text;
  std::getline(word, text);
  EXPECT_EQ(text, "gone in order");
}

}  // namespace
}  // namespace mp
