// SPDX-License-Identifier: Apache-2.0
// What is told of a worker's death, and what becomes of tasks that keep killing workers.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <gtest/gtest.h>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/shared.hpp"

#include "pool/pool_test_base.hpp"

namespace mp {
namespace {

int square(int x) {
  return x * x;
}
// What the worker's stack must show.
[[gnu::noinline]] int write_to(volatile int* place) {
  *place = 1;
  return *place;
}
int fault(std::uintptr_t address) {
  return write_to(reinterpret_cast<volatile int*>(address)) + 1;
}
int die_on_three(int x) {
  if (x == 3) {
    std::raise(SIGKILL);
  }
  return x;
}

template <class F>
PoisonTask poison_of(const F& f) {
  try {
    f();
  } catch (const PoisonTask& error) {
    return error;
  }
  throw std::logic_error{"no PoisonTask"};
}
template <class F>
WorkerDied death_of(const F& f) {
  try {
    f();
  } catch (const WorkerDied& error) {
    return error;
  }
  throw std::logic_error{"no WorkerDied"};
}

class PoolDeathTest : public test::PoolTestBase {};
MP_FOR_ALL_START_METHODS(PoolDeathTest);

TEST_P(PoolDeathTest, TellsTheFaultAddressAndTheStack) {
  Pool pool{options(1)};
  const WorkerDied death = death_of([&] { pool.apply(fault, std::uintptr_t{0x1230}); });
  EXPECT_EQ(death.signal(), SIGSEGV);
  EXPECT_EQ(death.report().fault_address, 0x1230u);
  ASSERT_FALSE(death.report().frames.empty());
  EXPECT_NE(death.report().stack().find("write_to"), std::string::npos) << death.report().stack();
}

TEST_P(PoolDeathTest, TellsTheStackOfAnAbort) {
  Pool pool{options(1)};
  const WorkerDied death = death_of([&] { pool.apply([] { std::abort(); }); });
  EXPECT_EQ(death.signal(), SIGABRT);
  EXPECT_EQ(death.report().fault_address, 0u);
  EXPECT_FALSE(death.report().frames.empty());
}

TEST_P(PoolDeathTest, ForgetsTheStackOfTheWorkerBefore) {
  Pool pool{options(1)};
  EXPECT_THROW(pool.apply(fault, std::uintptr_t{8}), WorkerDied);
  const WorkerDied death = death_of([&] { pool.apply(die_on_three, 3); });
  EXPECT_EQ(death.signal(), SIGKILL);
  EXPECT_TRUE(death.report().frames.empty());
  EXPECT_EQ(death.report().fault_address, 0u);
  EXPECT_TRUE(death.report().stack().empty());
}

[[gnu::noinline]] void call_from_here(Pool& pool) {
  pool.map(die_on_three, std::vector{1, 2, 3}, 1);
}
[[gnu::noinline]] AsyncResult<int> begin_from_here(Pool& pool) {
  return pool.apply_async(die_on_three, 3);
}
[[gnu::noinline]] int take_all(Pool& pool, int from) {
  int sum = 0;
  for (const int y : pool.imap(die_on_three, std::vector{from, from})) {
    sum += y;
  }
  return sum;
}

TEST_P(PoolDeathTest, TellsWhereTheCallWasMade) {
  Pool pool{options(1)};
  const auto place_of = [](const WorkerDied& death) { return death.report().called_from(); };
  EXPECT_NE(place_of(death_of([&] { call_from_here(pool); })).find("call_from_here"),
            std::string::npos);
  const auto result = begin_from_here(pool);
  EXPECT_NE(place_of(death_of([&] { result.get(); })).find("begin_from_here"), std::string::npos);
  EXPECT_NE(place_of(death_of([&] { take_all(pool, 3); })).find("take_all"), std::string::npos);
  EXPECT_NE(place_of(death_of([&] { pool.submit(die_on_three, 3).get(); })).find("death_test"),
            std::string::npos);
}

int use_and_die() {
  const std::clock_t begin = std::clock();
  while (std::clock() - begin < CLOCKS_PER_SEC / 50) {
  }
  std::raise(SIGKILL);
  return 0;
}

TEST_P(PoolDeathTest, TellsWhatTheWorkerHadUsed) {
  Pool pool{options(1)};
  const WorkerDied death = death_of([&] { pool.apply(use_and_die); });
  EXPECT_GE(death.report().user_seconds + death.report().system_seconds, 0.015);
  EXPECT_GT(death.report().most_resident, std::uint64_t{1} << 20);
}

TEST_P(PoolDeathTest, TellsTheExitCode) {
  Pool pool{options(1)};
  const WorkerDied death = death_of([&] { pool.apply([] { ::_exit(7); }); });
  EXPECT_EQ(death.exitcode(), 7);
  EXPECT_EQ(death.signal(), 0);
}

TEST_P(PoolDeathTest, NamesTheItemOfAMap) {
  Pool pool{options(2)};
  std::vector<int> xs(40);
  std::iota(xs.begin(), xs.end(), -20);
  const WorkerDied death = death_of([&] { pool.map(die_on_three, xs, 8); });
  EXPECT_EQ(death.report().item, 23u);
  EXPECT_NE(std::string{death.what()}.find("item 23"), std::string::npos) << death.what();
}

TEST_P(PoolDeathTest, NamesTheCallable) {
  Pool pool{options(1)};
  struct Deadly {
    int operator()(int x) const { return die_on_three(x); }
  };
  const WorkerDied death = death_of([&] { pool.apply(Deadly{}, 3); });
  EXPECT_NE(death.report().task.find("Deadly"), std::string::npos);
}

TEST_P(PoolDeathTest, QuarantinesTheItemThatKillsEveryWorker) {
  Pool pool{options(2)};
  auto results = pool.imap(die_on_three, std::vector{1, 2, 3, 4, 5, 6},
                           6);  // one chunk, no retries: all are lost
  EXPECT_THROW(results.next(), WorkerDied);

  auto all =
      pool.map_async(die_on_three, std::vector{1, 2, 3, 4, 3, 6}, {.chunksize = 6, .retries = 1});
  const PoisonTask poison = poison_of([&] { all.get(); });
  EXPECT_EQ(poison.report().item, 2u);
  EXPECT_EQ(poison.report().attempts, 2);
  EXPECT_EQ(poison.signal(), SIGKILL);
  // The other one's file is not in the exception of the whole map.
  for (const auto& entry : std::filesystem::directory_iterator{
           std::filesystem::path{poison.report().saved_to}.parent_path()}) {
    if (entry.path().filename().string().starts_with("mp-poison-" + std::to_string(::getpid()))) {
      std::filesystem::remove(entry.path());
    }
  }
  EXPECT_EQ(pool.apply(square, 3), 9);
}

// The items beside the poisonous ones have their results.
TEST_P(PoolDeathTest, RunsTheRestOfTheChunk) {
  Pool pool{options(2)};
  auto results =
      pool.imap(die_on_three, std::vector{1, 3, 5, 3, 6}, MapOptions{.chunksize = 5, .retries = 1});
  EXPECT_EQ(*results.next(), 1);
  const PoisonTask first = poison_of([&] { results.next(); });
  EXPECT_EQ(first.report().item, 1u);
  EXPECT_EQ(*results.next(), 5);
  const PoisonTask second = poison_of([&] { results.next(); });
  EXPECT_EQ(second.report().item, 3u);
  EXPECT_EQ(*results.next(), 6);
  EXPECT_FALSE(results.next());
  std::filesystem::remove(first.report().saved_to);
  std::filesystem::remove(second.report().saved_to);
}

TEST_P(PoolDeathTest, CallsNothingPoisonThatDiedOnce) {
  Pool pool{options(1)};
  try {
    pool.apply(die_on_three, 3);
    ADD_FAILURE();
  } catch (const PoisonTask&) {
    ADD_FAILURE() << "it was tried only once";
  } catch (const WorkerDied& error) {
    EXPECT_EQ(error.report().attempts, 1);
  }
}

int throw_in_the_parent(int parent) {
  if (::getpid() != parent) {
    std::raise(SIGKILL);
  }
  throw std::domain_error{"seen in the debugger"};
}

TEST_P(PoolDeathTest, SavesATaskThatIsPoisonToRunItHere) {
  Pool pool{options(1)};
  auto task = pool.apply_async({.retries = 1}, throw_in_the_parent, ::getpid());
  const PoisonTask poison = poison_of([&] { task.get(); });
  const std::string file = poison.report().saved_to;
  ASSERT_FALSE(file.empty());
  EXPECT_NE(std::string{poison.what()}.find("MP_REPLAY=" + file), std::string::npos);
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  testing::internal::CaptureStderr();
  EXPECT_FALSE(replay_task(file));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("seen in the debugger"), std::string::npos);
  std::filesystem::remove(file);
}

int ran_here = 0;
int count_here(int x) {
  if (x == 2) {
    std::raise(SIGKILL);
  }
  ++ran_here;
  return x;
}
int fatal_in_workers(int parent, int x) {
  if (::getpid() == parent) {
    ran_here += x;
    return x;
  }
  return count_here(x);
}

TEST_P(PoolDeathTest, RunsOnlyTheGuiltyItemAgain) {
  Pool pool{options(1)};
  auto all = pool.map_async(partial(fatal_in_workers, ::getpid()), std::vector{1, 2, 4},
                            {.chunksize = 3, .retries = 1});
  const PoisonTask poison = poison_of([&] { all.get(); });
  ran_here = 0;
  EXPECT_TRUE(replay_task(poison.report().saved_to));
  EXPECT_EQ(ran_here, 2);
  std::filesystem::remove(poison.report().saved_to);
}

TEST(ReplayTask, RefusesWhatIsNoTask) {
  EXPECT_THROW(replay_task("/nowhere/at/all"), OsError);
  EXPECT_THROW(replay_task("/proc/self/exe"), DecodeError);
}

// A task with a shared object in it cannot be run by another process tree.
TEST_P(PoolDeathTest, DoesNotSaveWhatCannotBeRunAgain) {
  Pool pool{options(1)};
  auto task = pool.apply_async(
      {.retries = 1}, [](Value<int>) { std::raise(SIGKILL); }, Value<int>{1});
  EXPECT_TRUE(poison_of([&] { task.get(); }).report().saved_to.empty());
}

TEST_P(PoolDeathTest, GoesOnThroughAStormOfDeaths) {
  Pool pool{options(2)};
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 40; ++i) {
    results.push_back(pool.apply_async(die_on_three, i % 2 == 0 ? 3 : i + 10));
  }
  int died = 0;
  for (auto& result : results) {
    try {
      result.get();
    } catch (const WorkerDied&) {
      ++died;
    }
  }
  EXPECT_EQ(died, 20);
}

}  // namespace
}  // namespace mp
