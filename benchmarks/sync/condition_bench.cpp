// SPDX-License-Identifier: Apache-2.0
// Condition beside pthread_cond_t and Boost's, each with a lock of its kind.
#include <benchmark/benchmark.h>

#include "mp/sync/condition.hpp"

#include "baseline/boost_sync.hpp"
#include "baseline/pthread_sync.hpp"
#include "sync/ping_pong.hpp"

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

template <class C>
void add_condition(const std::string& impl) {
  add_ping_pong<Turns<C>>("condition", impl);
  add("condition/notify/-/" + impl, notify<C>);
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  add_condition<mp::Condition>("mp");
  add_condition<PthreadCondition>("pthread_cond");
  add_condition<BoostCondition>("boost_condition");
  return run(argc, argv);
}
