// SPDX-License-Identifier: Apache-2.0
// sync/ping_pong.hpp — two processes that answer each other, on CPUs of their own or on one that
// they share.
//
// A channel has begin(), which says "your turn" and waits for the answer, and answer(), which waits
// for that and gives it. Time is that of one round: there and back.
#pragma once

#include <atomic>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <string>

#include "support/latency.hpp"
#include "support/peer.hpp"
#include "support/placement.hpp"
#include "support/registry.hpp"
#include "support/shared.hpp"

namespace mp::bench {

template <class Channel>
void ping_pong(benchmark::State& state, Placement placement) {
  Channel channel;
  Shared<std::atomic<std::int64_t>> last;  // the number of the last round, once it is known
  const Peer peer{[&] {
    pin(cpu_of(placement, 1));
    for (std::int64_t round = 1; round != last->load(); ++round) {
      channel.answer();
    }
  }};
  const Pinned here{cpu_of(placement, 0)};
  std::int64_t rounds = 0;
  const auto once = [&] {
    channel.begin();
    ++rounds;
  };
  while (rounds < 2000) {  // until all who adapt have
    once();
  }
  const CpuMeter cpu{peer};
  for (auto _ : state) {
    once();
  }
  cpu.report(state);
  report_latency(state, once);
  last->store(rounds + 2);
  channel.begin();
}

template <class Channel>
void add_ping_pong(const std::string& area, const std::string& impl) {
  for (const Placement placement : placements()) {
    add(area + "/ping_pong/-/" + impl + suffix(placement),
        [placement](auto& state) { ping_pong<Channel>(state, placement); });
  }
}

}  // namespace mp::bench
