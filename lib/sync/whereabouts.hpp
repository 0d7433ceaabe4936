// SPDX-License-Identifier: Apache-2.0
// sync/whereabouts.hpp — on which CPUs those run who meet at a primitive.
//
// Spinning helps who waits for somebody on another CPU, and only then. A process that may use
// several CPUs can assume that; one that is tied to a single CPU cannot know whether its peers are
// tied to the same one. So a word beside each primitive has a bit for each CPU, modulo 32, and who
// waits, or wakes a sleeper, raises its own. Who falls asleep lets only its own stand: those who
// run elsewhere raise theirs again when they wake it.
//
// A hint: it may be stale or wrong, and costs time then, nothing else.
#pragma once

#include <bit>
#include <cstdint>

#include "memory/arena_layout.hpp"
#include "os/proc.hpp"

namespace mp::sync {

[[nodiscard]] inline std::uint32_t bit_of_this_cpu() noexcept {
  return 1u << (static_cast<unsigned>(os::current_cpu()) % 32);
}

// Notes that the caller runs where it does. Returns another CPU on which somebody was noted, -1 if
// there is none.
inline int meet_at(layout::Word& cpus) noexcept {
  const std::uint32_t mine = bit_of_this_cpu();
  std::uint32_t seen = cpus.load(std::memory_order_relaxed);
  if ((seen & mine) == 0) {
    seen = cpus.fetch_or(mine, std::memory_order_relaxed);
  }
  const std::uint32_t others = seen & ~mine;
  return others == 0 ? -1 : std::countr_zero(others);
}

// The caller falls asleep.
inline void fall_asleep_at(layout::Word& cpus) noexcept {
  cpus.store(bit_of_this_cpu(), std::memory_order_relaxed);
}

}  // namespace mp::sync
