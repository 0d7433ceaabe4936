// SPDX-License-Identifier: Apache-2.0
// Condition beside pthread_cond_t, both with a lock of their kind.
#include <benchmark/benchmark.h>

#include "mp/sync/condition.hpp"
#include "mp/sync/lock.hpp"

#include "ping_pong.hpp"
#include "rivals.hpp"

namespace mp::bench {
namespace {

// One condition, and whose turn it is.
template <class C>
struct Turns {
  C changed;
  Shared<int> turn;

  void pass(int to) {
    changed.lock();
    *turn = to;
    changed.notify_one();
    changed.unlock();
  }
  void await(int mine) {
    changed.lock();
    while (*turn != mine) {
      changed.wait();
    }
    changed.unlock();
  }
  void begin() {
    pass(1);
    await(0);
  }
  void answer() {
    await(1);
    pass(0);
  }
};

void BM_PthreadCond_PingPong(benchmark::State& state) {
  ping_pong<Turns<PthreadCondition>>(state, static_cast<Cpus>(state.range(0)));
}
void BM_Condition_PingPong(benchmark::State& state) {
  ping_pong<Turns<Condition>>(state, static_cast<Cpus>(state.range(0)));
}
BENCHMARK(BM_PthreadCond_PingPong)->ArgName("cpus")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(BM_Condition_PingPong)->ArgName("cpus")->Arg(1)->Arg(2)->UseRealTime();

// Nobody waits.
template <class C>
void notify(benchmark::State& state) {
  C condition;
  for (auto _ : state) {
    condition.lock();
    condition.notify_one();
    condition.unlock();
  }
}
void BM_PthreadCond_Notify(benchmark::State& state) {
  notify<PthreadCondition>(state);
}
void BM_Condition_Notify(benchmark::State& state) {
  notify<Condition>(state);
}
BENCHMARK(BM_PthreadCond_Notify);
BENCHMARK(BM_Condition_Notify);

}  // namespace
}  // namespace mp::bench

BENCHMARK_MAIN();
