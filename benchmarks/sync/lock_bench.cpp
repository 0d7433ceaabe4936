// SPDX-License-Identifier: Apache-2.0
// Lock and RLock beside pthread's process-shared mutexes, plain and robust.
#include <algorithm>
#include <array>
#include <atomic>
#include <benchmark/benchmark.h>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>
#include <vector>

#include <sys/wait.h>

#include "mp/sync/lock.hpp"
#include "mp/sync/rlock.hpp"

#include "rivals.hpp"

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
void BM_Lock_Uncontended(benchmark::State& state) {
  uncontended<Lock>(state);
}
void BM_RLock_Uncontended(benchmark::State& state) {
  uncontended<RLock>(state);
}
void BM_PthreadPlain_Uncontended(benchmark::State& state) {
  uncontended<PthreadPlain>(state);
}
void BM_PthreadRobust_Uncontended(benchmark::State& state) {
  uncontended<PthreadRobust>(state);
}
BENCHMARK(BM_PthreadPlain_Uncontended);
BENCHMARK(BM_PthreadRobust_Uncontended);
BENCHMARK(BM_Lock_Uncontended);
BENCHMARK(BM_RLock_Uncontended);

// Processes that do nothing but take the lock, touch what it guards and release it, for a while.
struct Contest {
  std::atomic<bool> go;
  std::atomic<bool> stop;
  std::uint64_t guarded;
  struct alignas(128) Lane {
    std::uint64_t rounds;
    std::int64_t longest_wait;
  };
  std::array<Lane, 64> lanes;
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
void contended(benchmark::State& state) {
  const auto processes = static_cast<std::size_t>(state.range(0));
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
  state.counters["rounds"] = benchmark::Counter(rounds, benchmark::Counter::kIsRate);
  state.counters["longest_ms"] = longest;
  state.counters["jain"] = benchmark::Counter(fairness, benchmark::Counter::kAvgIterations);
}
void BM_Lock_Contended(benchmark::State& state) {
  contended<Lock>(state);
}
void BM_PthreadPlain_Contended(benchmark::State& state) {
  contended<PthreadPlain>(state);
}
void BM_PthreadRobust_Contended(benchmark::State& state) {
  contended<PthreadRobust>(state);
}
BENCHMARK(BM_PthreadPlain_Contended)->Arg(2)->Arg(8)->UseManualTime()->Iterations(3);
BENCHMARK(BM_PthreadRobust_Contended)->Arg(2)->Arg(8)->UseManualTime()->Iterations(3);
BENCHMARK(BM_Lock_Contended)->Arg(2)->Arg(8)->UseManualTime()->Iterations(3);

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
    times.push_back(took.count() * 1e6);
  }
  std::ranges::sort(times);
  state.counters["median_us"] = times[times.size() / 2];
  state.counters["worst_us"] = times.back();
}
void BM_Lock_OwnerDeath(benchmark::State& state) {
  owner_death<Lock>(state);
}
void BM_PthreadRobust_OwnerDeath(benchmark::State& state) {
  owner_death<PthreadRobust>(state);
}
BENCHMARK(BM_PthreadRobust_OwnerDeath)->UseManualTime()->Iterations(100);
BENCHMARK(BM_Lock_OwnerDeath)->UseManualTime()->Iterations(100);

}  // namespace
}  // namespace mp::bench

BENCHMARK_MAIN();
