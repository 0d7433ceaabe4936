// SPDX-License-Identifier: Apache-2.0
// Event beside a flag guarded by pthread_mutex_t and pthread_cond_t; and a bare sleep on shared
// memory, with all that a sleeper of ours watches, beside a sleep in a pipe.
#include <array>
#include <atomic>
#include <benchmark/benchmark.h>
#include <cstdint>

#include <unistd.h>

#include "mp/sync/event.hpp"

#include "memory/gate.hpp"
#include "ping_pong.hpp"
#include "rivals.hpp"

namespace mp::bench {
namespace {

template <class E>
struct TwoEvents {
  E there;
  E back;

  void begin() {
    there.set();
    back.wait();
    back.clear();
  }
  void answer() {
    there.wait();
    there.clear();
    back.set();
  }
};
void BM_PthreadEvent_PingPong(benchmark::State& state) {
  ping_pong<TwoEvents<PthreadEvent>>(state, static_cast<Cpus>(state.range(0)));
}
void BM_Event_PingPong(benchmark::State& state) {
  ping_pong<TwoEvents<Event>>(state, static_cast<Cpus>(state.range(0)));
}
BENCHMARK(BM_PthreadEvent_PingPong)->ArgName("cpus")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(BM_Event_PingPong)->ArgName("cpus")->Arg(1)->Arg(2)->UseRealTime();

struct TwoPipes {
  std::array<int, 2> there{};
  std::array<int, 2> back{};

  TwoPipes() {
    if (::pipe(there.data()) != 0 || ::pipe(back.data()) != 0) {
      ::abort();
    }
  }
  ~TwoPipes() {
    for (const int fd : {there[0], there[1], back[0], back[1]}) {
      ::close(fd);
    }
  }
  static void put(int fd) {
    const char byte = 0;
    if (::write(fd, &byte, 1) != 1) {
      ::abort();
    }
  }
  static void take(int fd) {
    char byte = 0;
    if (::read(fd, &byte, 1) != 1) {
      ::abort();
    }
  }
  void begin() {
    put(there[1]);
    take(back[0]);
  }
  void answer() {
    take(there[0]);
    put(back[1]);
  }
};

// Never spins, always sleeps.
struct TwoWords {
  struct alignas(64) Words {
    std::atomic<std::uint32_t> word;
  };
  Shared<std::array<Words, 2>> words;

  static void put(Words& at) {
    const memory::ArmedWake armed;
    at.word.fetch_add(1);
    memory::word_wake(at.word, 1);
  }
  static void take(Words& at) {
    while (at.word.load() == 0) {
      memory::word_sleep(at.word, 0, Deadline::never());
    }
    at.word.store(0);
  }
  void begin() {
    put((*words)[0]);
    take((*words)[1]);
  }
  void answer() {
    take((*words)[0]);
    put((*words)[1]);
  }
};
void BM_Pipe_SleepAndWake(benchmark::State& state) {
  ping_pong<TwoPipes>(state, static_cast<Cpus>(state.range(0)));
}
void BM_Word_SleepAndWake(benchmark::State& state) {
  const Event arena;  // there is one from here on, and the peer shares it
  ping_pong<TwoWords>(state, static_cast<Cpus>(state.range(0)));
}
BENCHMARK(BM_Pipe_SleepAndWake)->ArgName("cpus")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(BM_Word_SleepAndWake)->ArgName("cpus")->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace mp::bench

BENCHMARK_MAIN();
