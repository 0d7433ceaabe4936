// SPDX-License-Identifier: Apache-2.0
// support/message_names.hpp — gives the works of messages.hpp their names, by size and placement.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "support/messages.hpp"
#include "support/registry.hpp"

namespace mp::bench {

// The series of sizes; 64 bytes is what channels are compared by.
using UpTo4KiB = std::index_sequence<8, 64, 1024, 4096>;
using UpTo64KiB = std::index_sequence<8, 64, 1024, 4096, 64 << 10>;
using UpTo64MiB =
    std::index_sequence<8, 64, 1024, 4096, 64 << 10, 1 << 20, 16 << 20, std::size_t{64} << 20>;
using Only64 = std::index_sequence<64>;

// On one CPU are the sizes that something is claimed of; a smoke run has those and the smallest.
inline bool wanted(std::size_t size, Placement placement) {
  const bool claimed = size == 64 || size == 4096 || size == 1 << 20;
  return claimed || (placement == Placement::two_cpus && (size == 8 || !quick()));
}

template <class Way, std::size_t... sizes>
void add_round_trips(const std::string& area, const std::string& impl,
                     std::index_sequence<sizes...>) {
  for (const Placement placement : placements()) {
    ((wanted(sizes, placement)
          ? static_cast<void>(
                add(area + "/round_trip/" + bytes(sizes) + "/" + impl + suffix(placement),
                    [placement](auto& state) { round_trip<Way, sizes>(state, placement); }))
          : void()),
     ...);
  }
}

template <class Way, std::size_t... sizes>
void add_streams(const std::string& area, const std::string& impl, std::index_sequence<sizes...>) {
  for (const Placement placement : placements()) {
    ((wanted(sizes, placement)
          ? static_cast<void>(
                add(area + "/stream/" + bytes(sizes) + "/" + impl + suffix(placement),
                    [placement](auto& state) { stream<Way, sizes>(state, placement); }))
          : void()),
     ...);
  }
}

// Producers and consumers of 64-byte messages, under a name of their own.
template <class Channel>
void add_crowd(const std::string& area, const std::string& work, const std::string& impl, Crowd who,
               bool on_one_cpu_too) {
  for (const Placement placement : placements()) {
    if (placement == Placement::two_cpus || on_one_cpu_too) {
      add(area + "/" + work + "/" + impl + suffix(placement),
          [=](auto& state) { crowd<Channel, 64>(state, placement, who); });
    }
  }
}

template <class Channel>
void add_put_and_get(const std::string& area, const std::string& impl) {
  add(area + "/put_and_get/64B/" + impl, [](auto& state) { put_and_get<Channel, 64>(state); });
}

}  // namespace mp::bench
