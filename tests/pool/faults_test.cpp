// SPDX-License-Identifier: Apache-2.0
// What cannot be, and what the system refuses: each is an error with a type of its own, and the
// pool is as good as before.
#include "support/faults.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "mp/codec/exception.hpp"
#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/sync.hpp"

#include "os/check.hpp"
#include "pool/pool_test_base.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/scratch_dir.hpp"
#include "support/shared.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

int square(int x) {
  return x * x;
}
std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// It takes calls of all kinds.
void expect_intact(Pool& pool) {
  EXPECT_EQ(pool.apply(square, 7), 49);
  EXPECT_EQ(pool.map(square, numbers(20), 1).back(), 361);
}

class PoolFaultsTest : public test::PoolTestBase {};
MP_FOR_ALL_START_METHODS(PoolFaultsTest);

// Numbers.

TEST_P(PoolFaultsTest, RefusesNumbersThatCannotBe) {
  EXPECT_THROW(Pool{options(-1)}, UsageError);
  EXPECT_THROW(Pool{options(1025)}, UsageError);
  for (const auto spoil : {+[](PoolOptions& chosen) { chosen.maxtasksperchild = -1; },
                           +[](PoolOptions& chosen) { chosen.standby = -1; },
                           +[](PoolOptions& chosen) { chosen.standby = 1024; }}) {
    PoolOptions chosen = options(1);
    spoil(chosen);
    EXPECT_THROW(Pool{chosen}, UsageError);
  }
  Pool pool{options(1)};
  EXPECT_THROW(pool.apply_async({.timeout = -1s}, square, 1), UsageError);
  EXPECT_THROW(pool.apply_async({.timeout = 0s}, square, 1), UsageError);
  EXPECT_THROW(pool.apply_async({.grace = -1s}, square, 1), UsageError);
  EXPECT_THROW(pool.apply_async({.retries = -1}, square, 1), UsageError);
  EXPECT_THROW(pool.apply_async({.backoff = -1ns}, square, 1), UsageError);
  EXPECT_THROW(pool.map(square, numbers(3), std::size_t{0}), UsageError);
  EXPECT_THROW(pool.starmap(square, std::vector<std::tuple<int>>(3), std::size_t{0}), UsageError);
  EXPECT_THROW(pool.imap(square, numbers(3), 0), UsageError);
  EXPECT_THROW(pool.imap_unordered(square, numbers(3), 0), UsageError);
  EXPECT_THROW(pool.map(square, numbers(3), {.timeout = -1s}), UsageError);
  expect_intact(pool);
}

TEST_P(PoolFaultsTest, WaitsNoTimeAtAllWhenThatIsNegative) {
  Pool pool{options(1)};
  const Event go_on;
  const auto result = pool.apply_async([](Event until) { until.wait(); }, go_on);
  EXPECT_FALSE(result.wait(-1s));
  EXPECT_THROW(result.get(-1s), TimeoutError);
  auto results = pool.imap([](Event until) { return until.wait(), 1; }, std::vector{go_on});
  EXPECT_THROW(results.next(-1s), TimeoutError);
  Event{go_on}.set();
  result.get();
  EXPECT_EQ(results.next(), 1);
  expect_intact(pool);
}

// What comes out of tasks.

struct Deep {
  std::vector<Deep> inner = {};
};
Deep deep(int depth) {
  Deep value;
  if (depth > 0) {
    value.inner.push_back(deep(depth - 1));
  }
  return value;
}
struct Reluctant {
  int value = 0;
};

}  // namespace

template <>
struct codec<Reluctant> {
  static constexpr std::string_view kName = "Reluctant";
  static void write(Writer& out, const Reluctant& reluctant) {
    out.write_raw(reluctant.value);
    if (reluctant.value < 0) {
      throw std::range_error{"below zero"};
    }
  }
  static Reluctant read(Reader& in) {
    const Reluctant reluctant{in.read_raw<int>()};
    if (reluctant.value > 1000) {
      throw std::length_error{"above a thousand"};
    }
    return reluctant;
  }
};

namespace {

TEST_P(PoolFaultsTest, SaysWhenAResultCannotBeEncoded) {
  Pool pool{options(1)};
  const int worker = pool.apply(::getpid);
  EXPECT_THROW(pool.apply(deep, 1000), UsageError);
  EXPECT_THROW(pool.apply([](int x) { return Reluctant{x}; }, -1), std::range_error);
  EXPECT_THROW(pool.map([](int x) { return Reluctant{x}; }, std::vector{1, -1, 3}),
               std::range_error);
  auto results = pool.imap([](int x) { return Reluctant{x}; }, std::vector{1, -1, 3});
  EXPECT_EQ(results.next()->value, 1);
  EXPECT_THROW(results.next(), std::range_error);
  EXPECT_EQ(results.next()->value, 3);
  EXPECT_EQ(pool.apply(::getpid), worker) << "nobody died of it";
  expect_intact(pool);
}

TEST_P(PoolFaultsTest, SaysWhenAResultCannotBeDecoded) {
  Pool pool{options(1)};
  const auto result = pool.apply_async([](int x) { return Reluctant{x}; }, 2000);
  EXPECT_THROW(result.get(), std::length_error);
  EXPECT_THROW(result.get(), std::length_error) << "each time";
  EXPECT_TRUE(result.successful()) << "the call did return";
  expect_intact(pool);
}

TEST_P(PoolFaultsTest, SaysWhenAnArgumentCannotBeEncodedOrDecoded) {
  Pool pool{options(1)};
  const auto value_of = [](Reluctant given) { return given.value; };
  EXPECT_THROW(pool.apply(value_of, Reluctant{-1}), std::range_error);
  EXPECT_THROW(pool.map(value_of, std::vector<Reluctant>{{1}, {-1}}, 1), std::range_error);
  EXPECT_THROW(pool.apply(value_of, Reluctant{2000}), std::length_error);
  EXPECT_EQ(pool.apply(value_of, Reluctant{5}), 5);
  expect_intact(pool);
}

// Cannot be copied where it is thrown, and not where it arrives either.
struct Single : std::runtime_error {
  Single() : std::runtime_error{"single"} {}
  Single(const Single& other) : std::runtime_error{other} { throw std::logic_error{"a copy"}; }
};
struct SingleRegistered {
  std::string text = "registered";
  SingleRegistered() = default;
  explicit SingleRegistered(std::string given) : text{std::move(given)} {}
  SingleRegistered(const SingleRegistered& other) : text{other.text} {
    throw std::logic_error{"a copy"};
  }
};

}  // namespace

template <>
struct codec<SingleRegistered> {
  static constexpr std::string_view kName = "SingleRegistered";
  static void write(Writer& out, const SingleRegistered& error) { mp::write(out, error.text); }
  static SingleRegistered read(Reader& in) { return SingleRegistered{mp::read<std::string>(in)}; }
};

namespace {

const bool registered = register_exception<SingleRegistered>();

TEST_P(PoolFaultsTest, DeliversExceptionsThatThrowWhileTheyAreCopied) {
  ASSERT_TRUE(registered);
  Pool pool{options(1)};
  const int worker = pool.apply(::getpid);
  const auto result = pool.apply_async([](int) -> int { throw Single{}; }, 1);
  for (int i = 0; i < 2; ++i) {
    try {
      result.get();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const RemoteError& error) {
      EXPECT_NE(error.type_name().find("Single"), std::string::npos);
      EXPECT_NE(std::string{error.what()}.find("single"), std::string::npos);
    }
  }
  // To make it again here needs a copy, so it is told of, as one that is not registered.
  EXPECT_THROW(pool.apply([](int) -> int { throw SingleRegistered{}; }, 1), RemoteError);
  int errors = 0;
  pool.apply_async(
          {.error_callback = [&](const std::exception_ptr&) { ++errors; }},
          [](int) -> int { throw Single{}; }, 1)
      .wait();
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(pool.apply(::getpid), worker);
  expect_intact(pool);
}

// Workers that cannot begin.

TEST_P(PoolFaultsTest, FailsEveryTaskWhenTheInitializerKillsEachWorker) {
  PoolOptions chosen = options(2);
  chosen.initializer = [] { std::raise(SIGKILL); };
  Pool pool{chosen};
  // A task was given before the end is known, or after it.
  EXPECT_THROW(pool.apply_async(square, 1).get(), StartError);
  EXPECT_THROW(pool.map(square, numbers(10), 1), StartError);
  EXPECT_THROW(pool.apply(square, 1), StartError);
  pool.close();
  pool.join();
}

TEST_P(PoolFaultsTest, FailsEveryTaskWithWhatTheInitializerThrew) {
  PoolOptions chosen = options(2);
  chosen.initializer = [] { throw std::domain_error{"no licence"}; };
  Pool pool{chosen};
  EXPECT_THROW(pool.map(square, numbers(10), 1), std::domain_error);
  EXPECT_THROW(pool.apply(square, 1), std::domain_error);
  chosen.initializer = [] { throw Single{}; };
  Pool other{chosen};
  EXPECT_THROW(other.apply(square, 1), RemoteError);
}

// The wrong time, the wrong process.

template <class Error>
void expect_every_call_throws(Pool& pool) {
  EXPECT_THROW(pool.apply(square, 1), Error);
  EXPECT_THROW(pool.apply_async(square, 1), Error);
  EXPECT_THROW(pool.submit(square, 1), Error);
  EXPECT_THROW(pool.map(square, numbers(2)), Error);
  EXPECT_THROW(pool.map(square, numbers(2), return_exceptions), Error);
  EXPECT_THROW(pool.map_async(square, numbers(2)), Error);
  EXPECT_THROW(pool.starmap(square, std::vector<std::tuple<int>>(2)), Error);
  EXPECT_THROW(pool.starmap_async(square, std::vector<std::tuple<int>>(2)), Error);
  EXPECT_THROW(pool.imap(square, numbers(2)), Error);
  EXPECT_THROW(pool.imap_unordered(square, numbers(2)), Error);
  EXPECT_THROW(pool.resize(2), Error);
}

TEST_P(PoolFaultsTest, RefusesToBeJoinedBeforeItIsClosed) {
  Pool pool{options(1)};
  EXPECT_THROW(pool.join(), UsageError);
  expect_intact(pool);
  pool.close();
  pool.close();
  pool.join();
  pool.join();
  pool.terminate();
}

TEST_P(PoolFaultsTest, TakesNoCallsOnceItIsClosed) {
  Pool pool{options(1)};
  const auto before = pool.map_async(square, numbers(30), {.chunksize = 1});
  pool.close();
  expect_every_call_throws<PoolClosed>(pool);
  pool.join();
  expect_every_call_throws<PoolClosed>(pool);
  EXPECT_EQ(before.get().back(), 841);
  Pool ended{options(1)};
  ended.terminate();
  expect_every_call_throws<PoolClosed>(ended);
  ended.join();
}

TEST_P(PoolFaultsTest, IsOfNoUseInAForkedChild) {
  Pool pool{options(1)};
  const auto result = pool.apply_async(square, 3);
  const Event go_on;
  const auto unfinished = pool.apply_async([](Event until) { until.wait(); }, go_on);
  test::Child child{[&] {
    expect_every_call_throws<WrongProcess>(pool);
    EXPECT_THROW(pool.close(), WrongProcess);
    EXPECT_THROW(pool.terminate(), WrongProcess);
    EXPECT_THROW(pool.join(), WrongProcess);
    EXPECT_THROW(static_cast<void>(pool.insights()), WrongProcess);
    EXPECT_THROW(unfinished.get(), WrongProcess);
    EXPECT_THROW(unfinished.cancel(), WrongProcess);
    EXPECT_FALSE(unfinished.ready());
    const Pool taken = std::move(pool);  // and ends nothing
  }};
  EXPECT_EQ(child.wait(), test::exited(0));
  Event{go_on}.set();
  unfinished.get();
  EXPECT_EQ(result.get(), 9);
  expect_intact(pool);
}

// Processes that the system refuses.

// How many more are refused, whoever asks.
test::Shared<std::atomic<int>>& refusals() {
  static test::Shared<std::atomic<int>> left{0};
  return left;
}
int refuse_processes(os::Sys sys) noexcept {
  if (sys != os::Sys::fork && sys != os::Sys::clone3 && sys != os::Sys::clone_pidfd &&
      sys != os::Sys::clone && sys != os::Sys::posix_spawn) {
    return 0;
  }
  for (int left = refusals()->load(); left > 0;) {
    if (refusals()->compare_exchange_weak(left, left - 1)) {
      return EAGAIN;
    }
  }
  return 0;
}
class Refusing {
 public:
  explicit Refusing(int processes) {
    refusals()->store(processes);
    os::set_fault_hook(&refuse_processes);
  }
  Refusing(const Refusing&) = delete;
  Refusing& operator=(const Refusing&) = delete;
  ~Refusing() {
    os::set_fault_hook(nullptr);
    refusals()->store(0);
  }
};

TEST_P(PoolFaultsTest, CannotBeMadeWhenProcessesAreRefusedAndLeavesNothing) {
  {
    const Refusing all{1000};
    EXPECT_THROW(Pool{options(2)}, StartError);
  }
  Pool pool{options(2)};
  expect_intact(pool);
}

// Of three workers the last.
std::atomic<int> asked{0};
int refuse_third(os::Sys sys) noexcept {
  return sys == os::Sys::fork && ++asked == 3 ? EAGAIN : 0;
}
TEST(PoolFaults, EndsTheWorkersThatItHasWhenItCannotHaveAll) {
  PoolOptions chosen;
  chosen.processes = 3;
  chosen.start = StartMethod::fork;
  asked = 0;
  os::set_fault_hook(&refuse_third);
  EXPECT_THROW(Pool{chosen}, StartError);
  os::set_fault_hook(nullptr);
  Pool pool{chosen};
  expect_intact(pool);
}

std::set<int> workers_at_once(Pool& pool, int count) {
  const std::vector<int> pids = pool.map(partial(
                                             [](Barrier all, int) {
                                               all.wait();
                                               return static_cast<int>(::getpid());
                                             },
                                             Barrier{count}),
                                         std::vector<int>(static_cast<std::size_t>(count)), 1);
  return {pids.begin(), pids.end()};
}

// A fork server is another program, where nothing can be refused from here.
class PoolRefusedTest : public test::PoolTestBase {};
INSTANTIATE_TEST_SUITE_P(OwnChildren, PoolRefusedTest,
                         testing::Values(StartMethod::fork, StartMethod::spawn),
                         [](const auto& method) { return std::string{to_string(method.param)}; });

TEST_P(PoolRefusedTest, GoesOnWithFewerWorkersUntilThereCanBeMore) {
  const Refusing none{0};
  Pool pool{options(2)};
  workers_at_once(pool, 2);
  refusals()->store(4);
  EXPECT_THROW(pool.apply([] { std::raise(SIGKILL); }), WorkerDied);
  expect_intact(pool);
  EXPECT_EQ(workers_at_once(pool, 2).size(), 2u);
  EXPECT_EQ(refusals()->load(), 0) << "they were asked for meanwhile";
}

TEST_P(PoolRefusedTest, GoesOnWhenItsOnlyWorkerCannotBeReplacedAtOnce) {
  const Refusing none{0};
  Pool pool{options(1)};
  refusals()->store(3);
  EXPECT_THROW(pool.apply([] { std::raise(SIGKILL); }), WorkerDied);
  expect_intact(pool);
  EXPECT_EQ(refusals()->load(), 0);
}

TEST_P(PoolRefusedTest, FailsEveryTaskWhenThereCanBeNoWorkerAnyMore) {
  const Refusing none{0};
  Pool pool{options(1)};
  refusals()->store(1'000'000);
  EXPECT_THROW(pool.apply([] { std::raise(SIGKILL); }), WorkerDied);
  EXPECT_THROW(pool.map(square, numbers(10), 1), StartError);
  EXPECT_THROW(pool.apply(square, 1), StartError);
  pool.close();
  pool.join();
}

// Memory.

TEST_P(PoolFaultsTest, SaysWhenTheArenaHasNoRoomForACall) {
  Pool pool{options(1)};
  const std::string much(std::size_t{64} << 20, 'x');
  const auto length = [](const std::string& text) { return text.size(); };
  {
    test::Faults faults;
    faults.fail(os::Sys::fallocate, ENOSPC);
    faults.fail(os::Sys::madvise_populate, ENOSYS);
    EXPECT_THROW(pool.apply(length, much), OutOfMemory);
    EXPECT_THROW(pool.map(length, std::vector{much, much}, 1), OutOfMemory);
    EXPECT_EQ(pool.apply(square, 3), 9) << "small ones have room";
  }
  EXPECT_EQ(pool.apply(length, much), much.size());
  expect_intact(pool);
}

int refuse_memory(os::Sys sys) noexcept {
  if (refusals()->load() == 0) {
    return 0;
  }
  return sys == os::Sys::madvise_populate ? ENOSYS : sys == os::Sys::fallocate ? ENOSPC : 0;
}

// Under fork, where the worker has the hook as well.
TEST(PoolFaults, SaysWhenTheArenaHasNoRoomForAResult) {
  PoolOptions chosen;
  chosen.processes = 1;
  chosen.start = StartMethod::fork;
  os::set_fault_hook(&refuse_memory);
  Pool pool{chosen};
  const auto make = [](std::size_t size) { return std::string(size, 'x'); };
  const int worker = pool.apply(::getpid);
  refusals()->store(1);
  EXPECT_THROW(pool.apply(make, std::size_t{64} << 20), OutOfMemory);
  EXPECT_EQ(pool.apply(make, std::size_t{5}), "xxxxx");
  EXPECT_EQ(pool.apply(::getpid), worker);
  refusals()->store(0);
  EXPECT_EQ(pool.apply(make, std::size_t{64} << 20).size(), std::size_t{64} << 20);
  os::set_fault_hook(nullptr);
}

// Journals (tests/pool/journal_test.cpp has those that are torn or somebody else's).

TEST_P(PoolFaultsTest, SaysWhenAJournalCannotBeOpenedOrWritten) {
  const test::ScratchDir scratch;
  const MapOptions journaled{.journal = (scratch.path() / "run.journal").string()};
  Pool pool{options(1)};
  test::Faults faults;
  faults.fail(os::Sys::open, EROFS, 1);
  EXPECT_THROW(pool.map(square, numbers(3), journaled), OsError);
  faults.fail(os::Sys::write, ENOSPC);
  EXPECT_THROW(pool.map(square, numbers(3), journaled), OsError) << "its head";
  faults.fail(os::Sys::write, 0, 0);
  EXPECT_EQ(pool.map(square, numbers(3), journaled), (std::vector{0, 1, 4}));
  faults.fail(os::Sys::write, ENOSPC);
  EXPECT_THROW(pool.map(square, numbers(30), journaled), OsError) << "a record";
  faults.fail(os::Sys::write, 0, 0);
  faults.fail(os::Sys::fdatasync, EIO, 1);
  EXPECT_THROW(pool.map(square, numbers(30), journaled), OsError);
  EXPECT_EQ(pool.map(square, numbers(30), journaled).back(), 841);
  expect_intact(pool);
}

}  // namespace
}  // namespace mp
