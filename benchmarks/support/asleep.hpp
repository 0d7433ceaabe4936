// SPDX-License-Identifier: Apache-2.0
// support/asleep.hpp — what a party that waits costs: until it runs again, and while it does not.
#pragma once

#include <benchmark/benchmark.h>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "support/messages.hpp"
#include "support/registry.hpp"

namespace mp::bench {

// From just before the send to the return of a receive that had been asleep for a while.
template <class Way>
void wake(benchmark::State& state, Placement placement) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kSize = 64;
  Way way{kSize, placement};
  const Shared<Clock::time_point> received;
  const Peer peer{[&] {
    pin(cpu_of(placement, 1));
    Message<kSize> message;
    do {
      way.take(message.data(), kSize);
      *received = Clock::now();
      way.answer(message.data(), kSize);
    } while (message.wish() != Wish::answer_and_leave);
  }};
  const Pinned here{cpu_of(placement, 0)};
  Message<kSize> message;
  std::vector<double> times;
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
    const auto sent = Clock::now();
    way.send(message.data(), kSize);
    way.recv(message.data(), kSize);
    const std::chrono::duration<double> took = *received - sent;
    state.SetIterationTime(took.count());
    times.push_back(took.count() * 1e9);
  }
  report_percentiles(state, std::move(times));
  message.wish(Wish::answer_and_leave);
  way.send(message.data(), kSize);
  way.recv(message.data(), kSize);
}

// How often a process went to sleep so far; who wakes for nothing sleeps again.
inline double sleeps_of(pid_t pid) {
  const std::string field = "voluntary_ctxt_switches:";
  std::ifstream in{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(field)) {
      return std::stod(line.substr(field.size()));
    }
  }
  return -1;
}

// Wake-ups of a receiver to whom nobody sends: the counter wakes_per_s.
template <class Way>
void idle(benchmark::State& state, Placement placement) {
  constexpr std::size_t kSize = 64;
  Way way{kSize, placement};
  const Peer peer{[&] {
    Message<kSize> message;
    way.take(message.data(), kSize);
  }};
  std::this_thread::sleep_for(std::chrono::milliseconds{300});  // it spins, and falls asleep
  const std::chrono::milliseconds time{quick() ? 100 : 3000};
  double sleeps = 0;
  for (auto _ : state) {
    const double before = sleeps_of(peer.pid());
    std::this_thread::sleep_for(time);
    sleeps += sleeps_of(peer.pid()) - before;
  }
  state.counters["wakes_per_s"] =
      sleeps * 1000 / static_cast<double>(time.count() * state.iterations());
  Message<kSize> message;
  way.send(message.data(), kSize);
}

template <class Way>
void add_asleep(const std::string& area, const std::string& impl) {
  for (const Placement placement : placements()) {
    add_manual(area + "/wake/64B/" + impl + suffix(placement), [placement](auto& state) {
      wake<Way>(state, placement);
    })->Iterations(quick() ? 10 : 200);
  }
  add(area + "/idle/64B/" + impl, [](auto& state) {
    idle<Way>(state, placements().front());
  })->Iterations(1);
}

}  // namespace mp::bench
