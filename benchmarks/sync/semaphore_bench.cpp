// SPDX-License-Identifier: Apache-2.0
// Semaphore and BoundedSemaphore beside sem_t and Boost's.
#include <benchmark/benchmark.h>

#include "mp/sync/semaphore.hpp"

#include "baseline/boost_sync.hpp"
#include "baseline/pthread_sync.hpp"
#include "sync/ping_pong.hpp"

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

template <class S>
void add_semaphore(const std::string& impl) {
  add("semaphore/acquire_release/-/" + impl, uncontended<S>);
  add_ping_pong<TwoSemaphores<S>>("semaphore", impl);
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  add_semaphore<mp::Semaphore>("mp");
  add("semaphore/acquire_release/-/mp_bounded", uncontended<mp::BoundedSemaphore>);
  add_semaphore<SemT>("sem_t");
  add_semaphore<BoostSemaphore>("boost_semaphore");
  return run(argc, argv);
}
