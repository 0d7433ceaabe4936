// SPDX-License-Identifier: Apache-2.0
// Pools inside the workers of pools, and the end of workers when that of their parent comes.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <gtest/gtest.h>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/queue.hpp"
#include "mp/sync.hpp"

#include "pool/pool_test_base.hpp"
#include "process/life.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/leak_sentinel.hpp"
#include "support/proc_view.hpp"

namespace mp {
namespace {

using test::stay;

PoolOptions inner_options(StartMethod start, int processes) {
  PoolOptions chosen;
  chosen.processes = processes;
  chosen.start = start;
  return chosen;
}

bool is_dead(int pid) {
  const test::ProcessView view = test::view_process(pid);
  return view.pid == 0 || view.state == 'Z';
}

// What workers leave behind when they end, such as fork servers of their own, ends and is adopted
// by this process.
void expect_no_orphans() {
  process::Zygote::end_forkserver();
  EXPECT_EVENTUALLY((test::reap_adopted(), test::children_of(::getpid()).empty()));
}

class PoolFamilyTest : public test::PoolTestBase {};
MP_FOR_ALL_START_METHODS(PoolFamilyTest);

// Pools in workers.

std::vector<int> pids_of_inner_pool(StartMethod start, int) {
  Pool pool{inner_options(start, 2)};
  std::vector<int> pids = pool.map(
      [](int) { return static_cast<int>(::getppid()) != 0 ? static_cast<int>(::getpid()) : 0; },
      std::vector<int>(20), 1);
  pids.push_back(::getpid());
  return pids;
}

TEST_P(PoolFamilyTest, WorksInTheWorkersOfAnother) {
  std::vector<std::vector<int>> families;
  {
    Pool pool{options(2)};
    families = pool.map(partial(pids_of_inner_pool, GetParam()), std::vector<int>(6), 1);
  }
  for (const std::vector<int>& pids : families) {
    const int worker = pids.back();
    const std::set<int> inner(pids.begin(), pids.end() - 1);
    EXPECT_EQ(pids.size(), 21u);
    EXPECT_LE(inner.size(), 2u);
    EXPECT_FALSE(inner.contains(worker));
    EXPECT_FALSE(inner.contains(::getpid()));
  }
  expect_no_orphans();
}

int sum_of_levels(StartMethod start, int levels) {
  if (levels == 0) {
    return 1;
  }
  Pool pool{inner_options(start, 2)};
  const std::vector<int> sums =
      pool.map(partial(sum_of_levels, start), std::vector<int>(2, levels - 1), 1);
  return std::accumulate(sums.begin(), sums.end(), 1);
}

TEST_P(PoolFamilyTest, WorksThreeLevelsDeep) {
  EXPECT_EQ(sum_of_levels(GetParam(), 3), 15);
  expect_no_orphans();
}

std::unique_ptr<Pool> make_inner(StartMethod start) {
  return std::make_unique<Pool>(inner_options(start, 1));
}
// A worker's own pool, which lives as long as it does.
int next_of_kept_pool(StartMethod start, int x) {
  auto& pool = worker_state<std::unique_ptr<Pool>>();
  if (pool == nullptr) {
    pool = make_inner(start);
  }
  return pool->apply([](int y) { return y + 1; }, x);
}

TEST_P(PoolFamilyTest, CanBeKeptByAWorkerFromTaskToTask) {
  PoolOptions chosen = options(2);
  chosen.maxtasksperchild = 5;
  auto pool = std::make_unique<Pool>(chosen);
  std::vector<int> xs(20);
  std::iota(xs.begin(), xs.end(), 0);
  std::vector<int> wanted = xs;
  for (int& x : wanted) {
    ++x;
  }
  EXPECT_EQ(pool->map(partial(next_of_kept_pool, GetParam()), xs, 1), wanted);
  pool->close();
  pool->join();
  pool.reset();
  expect_no_orphans();
}

// Tells who it and its workers are, and what becomes of them is the test's business.
void stay_with_inner_pool(StartMethod start, Queue<int> pids) {
  Pool pool{inner_options(start, 2)};
  std::vector<AsyncResult<void>> results;
  for (int i = 0; i < 2; ++i) {
    results.push_back(pool.apply_async(
        [](Queue<int> to) {
          to.put(::getpid());
          stay();
        },
        pids));
  }
  pids.put(::getpid());
  results.front().get();
}

TEST_P(PoolFamilyTest, EndsWithTheWorkerThatMadeIt) {
  {
    Pool pool{options(1)};
    Queue<int> pids;
    const auto result = pool.apply_async(stay_with_inner_pool, GetParam(), pids);
    const std::vector<int> all{pids.get(), pids.get(), pids.get()};
    EXPECT_TRUE(result.cancel());
    EXPECT_THROW(result.get(), Cancelled);
    for (const int pid : all) {
      EXPECT_EVENTUALLY((test::reap_adopted(), is_dead(pid)));
    }
    EXPECT_EQ(pool.apply([] { return 3; }), 3);
  }
  expect_no_orphans();
}

TEST_P(PoolFamilyTest, EndsWhenTheOuterPoolIsTerminated) {
  Queue<int> pids;
  std::vector<int> all;
  {
    Pool pool{options(1)};
    const auto result = pool.apply_async(stay_with_inner_pool, GetParam(), pids);
    all = {pids.get(), pids.get(), pids.get()};
  }
  for (const int pid : all) {
    EXPECT_EVENTUALLY((test::reap_adopted(), is_dead(pid)));
  }
  expect_no_orphans();
}

// The ends of parents. The programs run in groups of their own, as a shell would have it.

void tell_and_stay(Queue<int> pids) {
  pids.put(::getpid());
  stay();
}
void tell_and_compute(Queue<int> pids) {
  pids.put(::getpid());
  for (std::atomic<unsigned> n = 0;;) {
    ++n;
  }
}

// Two workers that are in a task, one asleep and one computing, and two that are in none.
void run_pools(const PoolOptions& chosen, Queue<int> pids) {
  Pool busy{chosen};
  Pool idle{chosen};
  const std::vector<int> workers = idle.map(partial(
                                                [](Barrier both, int) {
                                                  both.wait();
                                                  return static_cast<int>(::getpid());
                                                },
                                                Barrier{2}),
                                            std::vector<int>(2), 1);
  const auto sleeps = busy.apply_async(tell_and_stay, pids);
  const auto computes = busy.apply_async(tell_and_compute, pids);
  for (const int worker : workers) {
    pids.put(worker);
  }
  sleeps.wait();
  computes.wait();
}

TEST_P(PoolFamilyTest, EndsWithinASecondOfAParentThatIsKilled) {
  Queue<int> pids;
  test::Child program{[&] { run_pools(options(2), pids); }};
  std::vector<int> all{pids.get(), pids.get(), pids.get(), pids.get()};
  for (const test::ProcessView& view : test::descendants_of(program.pid())) {
    all.push_back(view.pid);  // zygotes and fork servers, too
  }
  const auto killed = std::chrono::steady_clock::now();
  EXPECT_EQ(program.kill(), test::killed_by(SIGKILL));
  for (const int pid : all) {
    EXPECT_EVENTUALLY((test::reap_adopted(), is_dead(pid)));
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - killed;
  std::printf("%zu processes were gone %.1f ms after their parent was killed\n", all.size(),
              took.count());
  RecordProperty("microseconds", static_cast<int>(took.count() * 1000));
  expect_no_orphans();
}

TEST_P(PoolFamilyTest, EndsWithAProgramAtCtrlCQuietly) {
  Queue<int> pids;
  const std::string said = test::output_of(STDERR_FILENO, [&] {
    test::Child program{[&] {
      ::setpgid(0, 0);
      Pool pool{options(2)};
      pool.map(partial([](Queue<int> to, int) { tell_and_stay(to); }, pids), std::vector<int>(2),
               1);
    }};
    std::vector<int> all{pids.get(), pids.get()};
    for (const test::ProcessView& view : test::descendants_of(program.pid())) {
      all.push_back(view.pid);
    }
    ::kill(-program.pid(), SIGINT);
    EXPECT_EQ(program.wait(), test::killed_by(SIGINT));
    for (const int pid : all) {
      EXPECT_EVENTUALLY((test::reap_adopted(), is_dead(pid)));
    }
  });
  EXPECT_EQ(said, "");
  EXPECT_EVENTUALLY((test::reap_adopted(), test::children_of(::getpid()).empty()));
}

std::atomic<bool> interrupted{false};

TEST_P(PoolFamilyTest, GoesOnWhenTheProgramMakesSomethingElseOfCtrlC) {
  Queue<int> pids;
  test::Child program{[&] {
    ::setpgid(0, 0);
    ::signal(SIGINT, [](int) { interrupted = true; });
    Pool pool{options(2)};
    const Event go_on;
    const auto results = pool.map_async(partial(
                                            [](Queue<int> to, Event until, int x) {
                                              to.put(::getpid());
                                              until.wait();
                                              return x;
                                            },
                                            pids, go_on),
                                        std::vector<int>{5, 6}, {.chunksize = 1});
    EXPECT_EVENTUALLY(interrupted.load());
    Event{go_on}.set();
    EXPECT_EQ(results.get(), (std::vector<int>{5, 6}));
    pool.close();
    pool.join();
    process::Zygote::end_forkserver();
  }};
  pids.get();
  pids.get();
  ::kill(-program.pid(), SIGINT);
  EXPECT_EQ(program.wait(), test::exited(0));
}

}  // namespace
}  // namespace mp
