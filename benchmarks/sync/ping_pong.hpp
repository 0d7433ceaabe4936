// SPDX-License-Identifier: Apache-2.0
// benchmarks/sync/ping_pong.hpp — two processes that answer each other, on CPUs of their own or on
// one that they share.
//
// A channel has begin(), which says "your turn" and waits for the answer, and answer(), which waits
// for that and gives it. Time is that of one round: there and back.
#pragma once

#include <atomic>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <thread>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rivals.hpp"

namespace mp::bench {

// Keeps this process on one CPU for as long as it lives.
class Pinned {
 public:
  explicit Pinned(int cpu) {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(cpu), &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() { ::sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_{};
};

enum class Cpus : int { one = 1, two = 2 };

template <class Channel>
void ping_pong(benchmark::State& state, Cpus cpus) {
  if (cpus == Cpus::two && std::thread::hardware_concurrency() < 2) {
    state.SkipWithError("this needs two CPUs");
    return;
  }
  Channel channel;
  Shared<std::atomic<std::int64_t>> last;  // the number of the last round, once it is known
  const pid_t peer = ::fork();
  if (peer == 0) {
    const Pinned pinned{cpus == Cpus::one ? 0 : 1};
    for (std::int64_t round = 1; round != last->load(); ++round) {
      channel.answer();
    }
    ::_exit(0);
  }
  const Pinned pinned{0};
  std::int64_t rounds = 2000;
  for (int i = 0; i < rounds; ++i) {  // until all who adapt have
    channel.begin();
  }
  for (auto _ : state) {
    channel.begin();
    ++rounds;
  }
  last->store(rounds + 2);
  channel.begin();
  ::waitpid(peer, nullptr, 0);
}

}  // namespace mp::bench
