// SPDX-License-Identifier: Apache-2.0
// How many workers a pool has, where they run, how much memory they may have, and what they keep.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/process/current.hpp"
#include "mp/shared.hpp"
#include "mp/sync.hpp"

#include "os/limits.hpp"
#include "os/proc.hpp"
#include "pool/local_executor.hpp"
#include "pool/pool_test_base.hpp"
#include "support/eventually.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

int pid_of_worker() {
  return current_process().pid();
}
int square(int x) {
  return x * x;
}
// Waits until so many do.
int meet(Barrier barrier) {
  barrier.wait();
  return current_process().pid();
}
void hold_the_worker(Semaphore begun, Event over) {
  begun.release();
  over.wait();
}
std::vector<int> cpus_of_worker(Barrier barrier) {
  barrier.wait();
  return os::affinity();
}

class PoolResourcesTest : public test::PoolTestBase {};
MP_FOR_ALL_START_METHODS(PoolResourcesTest);

// The workers that run tasks at the same time.
std::set<int> workers_at_once(Pool& pool, int count) {
  Barrier barrier{count};
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < count; ++i) {
    results.push_back(pool.apply_async(meet, barrier));
  }
  std::set<int> pids;
  for (const auto& result : results) {
    pids.insert(result.get(30s));
  }
  return pids;
}

TEST_P(PoolResourcesTest, GrowWhileTheyWork) {
  Pool pool{options(1)};
  Semaphore begun{0};
  Event over;
  pool.apply_async(hold_the_worker, begun, over);
  begun.acquire();
  pool.resize(4);
  EXPECT_EQ(pool.processes(), 4);
  EXPECT_EQ(workers_at_once(pool, 3).size(), 3u);  // the fourth is held
  over.set();
  EXPECT_EQ(workers_at_once(pool, 4).size(), 4u);
}

TEST_P(PoolResourcesTest, ShrinkAndFinishWhatTheyRun) {
  Pool pool{options(4)};
  Semaphore begun{0};
  Event over;
  std::vector<AsyncResult<void>> held;
  for (int i = 0; i < 4; ++i) {
    held.push_back(pool.apply_async(hold_the_worker, begun, over));
  }
  for (int i = 0; i < 4; ++i) {
    begun.acquire();
  }
  pool.resize(1);
  EXPECT_EQ(pool.processes(), 1);
  over.set();
  for (const auto& result : held) {
    result.get();  // none of them was killed
  }
  // Only the last one goes on once the others have left.
  EXPECT_EVENTUALLY(([&] {
    const auto pids =
        pool.map([](int) { return current_process().pid(); }, std::vector<int>(40), 1);
    return std::set<int>(pids.begin(), pids.end()).size() == 1;
  }()));
}

TEST_P(PoolResourcesTest, CanBeResizedAgainAndAgainUnderLoad) {
  Pool pool{options(2)};
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 600; ++i) {
    if (i % 20 == 0) {
      pool.resize(1 + i / 20 % 5);
    }
    results.push_back(pool.apply_async(square, i));
  }
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i * i);
  }
  pool.resize(3);
  EXPECT_EQ(workers_at_once(pool, 3).size(), 3u);
}

TEST_P(PoolResourcesTest, RefuseSizesThatCannotBe) {
  Pool pool{options(2)};
  EXPECT_THROW(pool.resize(0), UsageError);
  EXPECT_THROW(pool.resize(-3), UsageError);
  EXPECT_THROW(pool.resize(5000), UsageError);
  EXPECT_EQ(pool.apply(square, 3), 9);
  pool.close();
  EXPECT_THROW(pool.resize(3), PoolClosed);
  pool.join();
  ThreadPool threads{1};
  EXPECT_THROW(threads.resize(2), UsageError);
}

TEST_P(PoolResourcesTest, HaveStandbysTakeTheTurnsOfThoseThatHaveDoneTheirShare) {
  PoolOptions chosen = options(1);
  chosen.maxtasksperchild = 3;
  chosen.standby = 1;
  Pool pool{chosen};
  const std::vector<int> pids =
      pool.map([](int) { return current_process().pid(); }, std::vector<int>(30), 1);
  std::vector<int> turns;
  for (const int pid : pids) {
    if (turns.empty() || turns.back() != pid) {
      turns.push_back(pid);
    }
  }
  // One after the other, and never two at once.
  EXPECT_EQ(turns.size(), 10u);
  EXPECT_EQ(std::set<int>(turns.begin(), turns.end()).size(), 10u);
}

TEST_P(PoolResourcesTest, HaveStandbysThatDoNotWorkBeforeTheirTurn) {
  PoolOptions chosen = options(2);
  chosen.standby = 2;
  Pool pool{chosen};
  std::set<int> pids;
  for (int i = 0; i < 20; ++i) {
    for (const int pid : workers_at_once(pool, 2)) {
      pids.insert(pid);
    }
  }
  EXPECT_EQ(pids.size(), 2u);
}

TEST_P(PoolResourcesTest, HaveStandbysTakeTheTurnsOfThoseThatDie) {
  PoolOptions chosen = options(2);
  chosen.standby = 1;
  Pool pool{chosen};
  for (int i = 0; i < 10; ++i) {
    EXPECT_THROW(pool.apply([] { std::abort(); }), WorkerDied);
    EXPECT_EQ(workers_at_once(pool, 2).size(), 2u);
  }
}

TEST_P(PoolResourcesTest, PinWorkersEvenly) {
  PoolOptions chosen = options(4);
  chosen.pin = Pinning::spread;
  Pool pool{chosen};
  Barrier barrier{4};
  std::vector<AsyncResult<std::vector<int>>> results;
  for (int i = 0; i < 4; ++i) {
    results.push_back(pool.apply_async(cpus_of_worker, barrier));
  }
  std::vector<int> given;
  for (const auto& result : results) {
    const std::vector<int> cpus = result.get();
    ASSERT_EQ(cpus.size(), 1u);
    given.push_back(cpus.front());
  }
  const std::vector<int> usable = os::affinity();
  const auto most = (4 + usable.size() - 1) / usable.size();
  for (const int cpu : usable) {
    EXPECT_LE(static_cast<std::size_t>(std::ranges::count(given, cpu)), most);
  }
}

TEST_P(PoolResourcesTest, PinWorkersToTheCpusOfAListAndTheirSuccessorsToo) {
  const int last = os::affinity().back();
  PoolOptions chosen = options(1);
  chosen.pin = Pinning{std::vector<int>{last}};
  chosen.standby = 1;
  chosen.maxtasksperchild = 1;
  Pool pool{chosen};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(pool.apply(cpus_of_worker, Barrier{1}), std::vector<int>{last});
  }
}

TEST(PoolPinning, KnowsItsCpusAndRefusesOthers) {
  EXPECT_TRUE(pool::cpus_to_pin(Pinning{}).empty());
  const std::vector<int> usable = os::affinity();
  for (const Pinning& pin : {Pinning{Pinning::spread}, Pinning{Pinning::compact}}) {
    std::vector<int> cpus = pool::cpus_to_pin(pin);
    std::ranges::sort(cpus);
    EXPECT_EQ(cpus, usable);
  }
  EXPECT_THROW(pool::cpus_to_pin(Pinning{std::vector<int>{usable.back() + 1}}), UsageError);
  EXPECT_THROW(pool::cpus_to_pin(Pinning{std::vector<int>{-1}}), UsageError);
}

constexpr std::size_t kMuch = std::size_t{256} << 20;

// Has so many bytes resident for as long as it lives; they go back when it ends.
class Ballast {
 public:
  explicit Ballast(std::size_t bytes)
      : bytes_{bytes},
        data_{static_cast<char*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0))} {}
  ~Ballast() { ::munmap(data_, bytes_); }
  Ballast(const Ballast&) = delete;
  Ballast& operator=(const Ballast&) = delete;

 private:
  std::size_t bytes_;
  char* data_;
};

void stay_large(Value<int> begun) {
  ++*begun;
  const Ballast much{kMuch};
  std::this_thread::sleep_for(60s);
}
// The first attempt only.
int be_large_once(Value<int> begun) {
  if (++*begun == 1) {
    const Ballast much{kMuch};
    std::this_thread::sleep_for(60s);
  }
  return *begun;
}
int leak_much() {
  static_cast<void>(new Ballast{kMuch});
  return current_process().pid();
}

TEST_P(PoolResourcesTest, KillATaskThatTakesTooMuchMemoryTwice) {
  PoolOptions chosen = options(2);
  chosen.memory.hard = kMuch / 2;
  Pool pool{chosen};
  Value<int> begun{0};
  const auto large = pool.apply_async(stay_large, begun);
  try {
    large.get();
    ADD_FAILURE() << "it had all it wanted";
  } catch (const MemoryExceeded& error) {
    EXPECT_GT(error.report().resident, kMuch / 2);
    EXPECT_EQ(error.report().memory_cap, kMuch / 2);
    EXPECT_EQ(error.report().attempts, 2);
    EXPECT_NE(std::string{error.what()}.find("resident"), std::string::npos);
    EXPECT_EQ(error.code(), Errc::memory_exceeded);
  }
  EXPECT_EQ(*begun, 2);
  EXPECT_EQ(pool.map(square, std::vector{1, 2, 3}), (std::vector{1, 4, 9}));
}

TEST_P(PoolResourcesTest, RunATaskOnceMoreThatTookTooMuchMemory) {
  PoolOptions chosen = options(1);
  chosen.memory.hard = kMuch / 2;
  Pool pool{chosen};
  Value<int> begun{0};
  EXPECT_EQ(pool.apply(be_large_once, begun), 2);
}

TEST_P(PoolResourcesTest, ReplaceWorkersThatHaveGrownTooLarge) {
  PoolOptions chosen = options(1);
  chosen.memory.soft = kMuch / 2;
  Pool pool{chosen};
  const int large = pool.apply(leak_much);
  EXPECT_EVENTUALLY(pool.apply(pid_of_worker) != large);
}

TEST_P(PoolResourcesTest, LeaveWorkersAloneThatStayBelowTheirCaps) {
  PoolOptions chosen = options(1);
  chosen.memory = {.soft = std::uint64_t{8} << 30, .hard = std::uint64_t{16} << 30};
  Pool pool{chosen};
  const int worker = pool.apply(leak_much);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(pool.apply(pid_of_worker), worker);
  }
}

TEST(PoolMemory, RefusesCapsInTheWrongOrder) {
  PoolOptions chosen;
  chosen.memory = {.soft = 2, .hard = 1};
  EXPECT_THROW(Pool{chosen}, UsageError);
}

TEST(PoolMemory, KnowsWhatIsResident) {
  const std::uint64_t before = os::resident_bytes(os::pid());
  const Ballast much{kMuch};
  EXPECT_GE(os::resident_bytes(os::pid()), before + kMuch * 9 / 10);
  EXPECT_EQ(os::resident_bytes(0), 0u);
  EXPECT_EQ(os::resident_bytes(1 << 30), 0u);
}

struct Counter {
  explicit Counter(Value<int> made_, Value<int> ended_) : made{made_}, ended{ended_} { ++*made; }
  ~Counter() { ++*ended; }
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;
  Value<int> made;
  Value<int> ended;
  int calls = 0;
};
int count_calls(Value<int> made, Value<int> ended) {
  return ++worker_state<Counter>(made, ended).calls;
}

TEST_P(PoolResourcesTest, KeepAnObjectInEachWorkerAndDestroyItAtTheEnd) {
  Value<int> made{0}, ended{0};
  {
    Pool pool{options(2)};
    int most = 0;
    for (int i = 0; i < 50; ++i) {
      most = std::max(most, pool.apply(count_calls, made, ended));
    }
    EXPECT_GE(most, 25);
    EXPECT_LE(*made, 2);
    EXPECT_EQ(*ended, 0);
    pool.close();
    pool.join();
  }
  EXPECT_GE(*made, 1);
  EXPECT_EQ(*ended, *made);
}

void make_counter(Value<int> made, Value<int> ended) {
  static_cast<void>(worker_state<Counter>(made, ended));
}

TEST_P(PoolResourcesTest, KeepAnObjectThatTheInitializerHasMade) {
  Value<int> made{0}, ended{0};
  PoolOptions chosen = options(1);
  chosen.initializer = partial(make_counter, made, ended);
  chosen.maxtasksperchild = 2;
  Pool pool{chosen};
  EXPECT_EQ(pool.apply(count_calls, made, ended), 1);
  EXPECT_EQ(pool.apply(count_calls, made, ended), 2);
  EXPECT_EQ(pool.apply(count_calls, made, ended), 1);  // another worker
  pool.close();
  pool.join();
  EXPECT_GE(*made, 2);
  EXPECT_EQ(*ended, *made);
}

int bump() {
  return ++worker_state<int>();
}

TEST_P(PoolResourcesTest, CollectWhatWorkersReturnAtTheirEnd) {
  PoolOptions chosen = options(2);
  chosen.worker_exit = [] { return std::pair{current_process().pid(), worker_state<int>()}; };
  Pool pool{chosen};
  for (int i = 0; i < 100; ++i) {
    pool.apply(bump);
  }
  EXPECT_THROW(pool.exit_results<int>(), UsageError);
  pool.close();
  pool.join();
  const auto results = pool.exit_results<std::pair<int, int>>();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].second + results[1].second, 100);
  EXPECT_NE(results[0].first, results[1].first);
}

TEST_P(PoolResourcesTest, CollectWhatRecycledWorkersReturnAtTheirEndAlsoWhenItIsLong) {
  PoolOptions chosen = options(2);
  chosen.maxtasksperchild = 5;
  chosen.worker_exit = [] { return std::string(5000, 'x') + std::to_string(worker_state<int>()); };
  Pool pool{chosen};
  pool.map([](int) { return bump(); }, std::vector<int>(40), 1);
  pool.close();
  pool.join();
  int sum = 0;
  for (const std::string& result : pool.exit_results<std::string>()) {
    sum += std::stoi(result.substr(5000));
  }
  EXPECT_EQ(sum, 40);
}

TEST_P(PoolResourcesTest, ThrowWhatALastCallThrewAndMissThoseThatDied) {
  PoolOptions chosen = options(1);
  chosen.worker_exit = []() -> int { throw std::out_of_range{"at the end"}; };
  Pool pool{chosen};
  EXPECT_EQ(pool.apply(square, 3), 9);
  pool.close();
  pool.join();
  EXPECT_THROW(pool.exit_results<int>(), std::out_of_range);

  PoolOptions other = options(1);
  other.worker_exit = [] { return 1; };
  Pool dying{other};
  EXPECT_EQ(dying.apply(square, 3), 9);
  dying.terminate();
  dying.join();
  EXPECT_TRUE(dying.exit_results<int>().empty());
}

std::uint64_t draw(int) {
  return std::mt19937_64{task_seed()}();
}

// What the tasks of a pool draw, in a fixed order of calls.
std::vector<std::uint64_t> drawn(Pool& pool, std::size_t chunksize) {
  std::vector<std::uint64_t> all{pool.apply(draw, 0)};
  const std::vector<int> items(100);
  const auto more = chunksize == 0 ? pool.map(draw, items) : pool.map(draw, items, chunksize);
  all.insert(all.end(), more.begin(), more.end());
  for (const std::uint64_t one : pool.imap(draw, items, std::max<std::size_t>(1, chunksize))) {
    all.push_back(one);
  }
  all.push_back(pool.apply(draw, 0));
  return all;
}

TEST_P(PoolResourcesTest, DrawTheSameNumbersWhateverTheNumberOfWorkersAndChunks) {
  PoolOptions chosen = options(1);
  chosen.seed = 7;
  Pool one{chosen};
  const std::vector<std::uint64_t> expected = drawn(one, 0);
  EXPECT_EQ(std::set<std::uint64_t>(expected.begin(), expected.end()).size(), expected.size());
  for (const std::size_t chunksize : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    chosen.processes = 3;
    Pool three{chosen};
    EXPECT_EQ(drawn(three, chunksize), expected);
  }
  chosen.seed = 8;
  Pool other{chosen};
  EXPECT_NE(drawn(other, 0), expected);
}

TEST(PoolSeeds, AreOfTasksAlone) {
  EXPECT_THROW(static_cast<void>(task_seed()), UsageError);
  ThreadPool one{1}, two{2};
  EXPECT_EQ(drawn(one, 3), drawn(two, 5));
}

}  // namespace
}  // namespace mp
