// SPDX-License-Identifier: Apache-2.0
// Event beside a flag guarded by pthread_mutex_t and pthread_cond_t; Barrier beside pthread's; and
// a bare sleep on shared memory, with all that a sleeper of ours watches, beside a sleep in a pipe
// and in an eventfd.
#include <array>
#include <atomic>
#include <benchmark/benchmark.h>
#include <cstdint>

#include <sys/eventfd.h>
#include <unistd.h>

#include "mp/sync/barrier.hpp"
#include "mp/sync/event.hpp"

#include "baseline/posix_channels.hpp"
#include "baseline/pthread_sync.hpp"
#include "memory/gate.hpp"
#include "sync/ping_pong.hpp"

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
// Both meet twice in each round.
template <class B>
struct Meetings {
  B barrier{2};

  void begin() {
    barrier.wait();
    barrier.wait();
  }
  void answer() { begin(); }
};

struct TwoPipes {
  PosixPipe there{1, Placement::one_cpu};
  PosixPipe back{1, Placement::one_cpu};

  void begin() {
    there.put("", 1);
    char byte = 0;
    back.get(&byte, 1);
  }
  void answer() {
    char byte = 0;
    there.get(&byte, 1);
    back.put("", 1);
  }
};

struct TwoEventfds {
  int there = ::eventfd(0, 0);
  int back = ::eventfd(0, 0);

  TwoEventfds() = default;
  TwoEventfds(const TwoEventfds&) = delete;
  TwoEventfds& operator=(const TwoEventfds&) = delete;
  ~TwoEventfds() {
    ::close(there);
    ::close(back);
  }
  static void put(int fd) { must(::eventfd_write(fd, 1) == 0, "eventfd_write"); }
  static void take(int fd) {
    eventfd_t value = 0;
    must(::eventfd_read(fd, &value) == 0, "eventfd_read");
  }
  void begin() const {
    put(there);
    take(back);
  }
  void answer() const {
    take(there);
    put(back);
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
}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  const mp::Event arena;  // there is one from here on, and the peers share it
  add_ping_pong<TwoEvents<mp::Event>>("event", "mp");
  add_ping_pong<TwoEvents<PthreadEvent>>("event", "pthread_cond");
  add_ping_pong<Meetings<mp::Barrier>>("barrier", "mp");
  add_ping_pong<Meetings<PthreadBarrier>>("barrier", "pthread_barrier");
  add_ping_pong<TwoWords>("sleep", "mp");
  add_ping_pong<TwoPipes>("sleep", "posix_pipe");
  add_ping_pong<TwoEventfds>("sleep", "eventfd");
  return run(argc, argv);
}
