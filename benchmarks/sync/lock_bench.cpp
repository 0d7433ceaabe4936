// SPDX-License-Identifier: Apache-2.0
// Lock and RLock beside pthread's process-shared mutexes, plain and robust, Boost's, and the lock
// of a file.
#include <algorithm>
#include <array>
#include <atomic>
#include <benchmark/benchmark.h>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/wait.h>

#include "mp/sync/lock.hpp"
#include "mp/sync/rlock.hpp"

#include "baseline/boost_sync.hpp"
#include "baseline/pthread_sync.hpp"
#include "support/latency.hpp"
#include "support/registry.hpp"

namespace mp::bench {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

template <class L>
void uncontended(benchmark::State& state) {
  L lock;
  for (auto _ : state) {
    lock.lock();
    benchmark::ClobberMemory();
    lock.unlock();
  }
}
// Processes that do nothing but take the lock, touch what it guards and release it, for a while.
struct Contest {
  std::atomic<bool> go;
  std::atomic<bool> stop;
  std::uint64_t guarded;
  struct alignas(128) Lane {
    std::uint64_t rounds;
    std::int64_t longest_wait;
  };
  std::array<Lane, 256> lanes;
};

template <class L>
void contend(L& lock, Contest& contest, Contest::Lane& lane) {
  while (!contest.go.load()) {
    std::this_thread::yield();
  }
  while (!contest.stop.load(std::memory_order_relaxed)) {
    const auto begin = Clock::now();
    lock.lock();
    lane.longest_wait = std::max<std::int64_t>(lane.longest_wait, (Clock::now() - begin).count());
    ++contest.guarded;
    lock.unlock();
    ++lane.rounds;
  }
}

template <class L>
void contended(benchmark::State& state, std::size_t processes) {
  double rounds = 0;
  double longest = 0;
  double fairness = 0;
  for (auto _ : state) {
    L lock;
    Shared<Contest> contest;
    std::vector<pid_t> children;
    for (std::size_t i = 0; i < processes; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        contend(lock, *contest, contest->lanes[i]);
        ::_exit(0);
      }
      children.push_back(child);
    }
    const auto begin = Clock::now();
    contest->go = true;
    std::this_thread::sleep_for(300ms);
    contest->stop = true;
    const auto end = Clock::now();
    for (const pid_t child : children) {
      ::waitpid(child, nullptr, 0);
    }
    state.SetIterationTime(std::chrono::duration<double>(end - begin).count());
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 0; i < processes; ++i) {
      const auto share = static_cast<double>(contest->lanes[i].rounds);
      sum += share;
      squares += share * share;
      longest = std::max(longest, static_cast<double>(contest->lanes[i].longest_wait) / 1e6);
    }
    rounds += sum;
    fairness += sum * sum / (squares * static_cast<double>(processes));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(rounds));
  state.counters["longest_ms"] = longest;
  state.counters["jain"] = benchmark::Counter(fairness, benchmark::Counter::kAvgIterations);
}
// From the holder's SIGKILL, which it sends itself, to the return of the sleeping waiter.
template <class L>
void owner_death(benchmark::State& state) {
  std::vector<double> times;
  for (auto _ : state) {
    L lock = [] {
      if constexpr (std::is_same_v<L, Lock>) {
        return Lock{on_owner_death::release};
      } else {
        return L{};
      }
    }();
    Shared<std::atomic<int>> step;
    Shared<Clock::time_point> died;
    const pid_t holder = ::fork();
    if (holder == 0) {
      lock.lock();
      step->store(1);
      while (step->load() != 2) {
        std::this_thread::yield();
      }
      std::this_thread::sleep_for(2ms);  // the waiter falls asleep
      *died = Clock::now();
      ::raise(SIGKILL);
    }
    while (step->load() != 1) {
      std::this_thread::yield();
    }
    step->store(2);
    lock.lock();
    const std::chrono::duration<double> took = Clock::now() - *died;
    lock.unlock();
    ::waitpid(holder, nullptr, 0);
    state.SetIterationTime(took.count());
    times.push_back(took.count() * 1e9);
  }
  report_percentiles(state, std::move(times));
}

template <class L>
void add_lock(const std::string& impl, std::size_t most) {
  add("lock/lock_unlock/-/" + impl, uncontended<L>);
  for (const std::size_t processes : {2, 8, 32, 128, 256}) {
    if (processes <= (quick() ? 8 : most)) {
      add_manual("lock/contended/" + std::to_string(processes) + "p/" + impl, [processes](
                                                                                  auto& state) {
        contended<L>(state, processes);
      })->Iterations(quick() ? 1 : 3);
    }
  }
}

template <class L>
void add_owner_death(const std::string& impl) {
  add_manual("lock/owner_death/-/" + impl, owner_death<L>)->Iterations(quick() ? 5 : 100);
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  add_lock<mp::Lock>("mp", 256);
  add("lock/lock_unlock/-/mp_rlock", uncontended<mp::RLock>);
  add_owner_death<mp::Lock>("mp");
  add_lock<PthreadPlain>("pthread", 256);
  add_lock<PthreadRobust>("pthread_robust", 256);
  add_owner_death<PthreadRobust>("pthread_robust");
  add_lock<BoostMutex>("boost_mutex", 8);
  add_lock<FcntlLock>("fcntl", 8);
  return run(argc, argv);
}
