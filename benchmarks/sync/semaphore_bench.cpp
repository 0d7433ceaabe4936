// SPDX-License-Identifier: Apache-2.0
// Semaphore and BoundedSemaphore beside sem_t.
#include <benchmark/benchmark.h>
#include <cstdint>

#include "mp/sync/semaphore.hpp"

#include "ping_pong.hpp"
#include "rivals.hpp"

namespace mp::bench {
namespace {

template <class S>
void uncontended(benchmark::State& state) {
  S semaphore{1};
  for (auto _ : state) {
    semaphore.acquire();
    benchmark::ClobberMemory();
    semaphore.release();
  }
}
void BM_SemT_Uncontended(benchmark::State& state) {
  uncontended<SemT>(state);
}
void BM_Semaphore_Uncontended(benchmark::State& state) {
  uncontended<Semaphore>(state);
}
void BM_BoundedSemaphore_Uncontended(benchmark::State& state) {
  uncontended<BoundedSemaphore>(state);
}
BENCHMARK(BM_SemT_Uncontended);
BENCHMARK(BM_Semaphore_Uncontended);
BENCHMARK(BM_BoundedSemaphore_Uncontended);

template <class S>
struct TwoSemaphores {
  S there{0};
  S back{0};

  void begin() {
    there.release();
    back.acquire();
  }
  void answer() {
    there.acquire();
    back.release();
  }
};
void BM_SemT_PingPong(benchmark::State& state) {
  ping_pong<TwoSemaphores<SemT>>(state, static_cast<Cpus>(state.range(0)));
}
void BM_Semaphore_PingPong(benchmark::State& state) {
  ping_pong<TwoSemaphores<Semaphore>>(state, static_cast<Cpus>(state.range(0)));
}
BENCHMARK(BM_SemT_PingPong)->ArgName("cpus")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(BM_Semaphore_PingPong)->ArgName("cpus")->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace mp::bench

BENCHMARK_MAIN();
