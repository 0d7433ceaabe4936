// SPDX-License-Identifier: Apache-2.0
// memory/sleep_many.hpp — sleeping on several gates or words at once.
//
// As gate_sleep (gate.hpp), for up to kMostPlaces words, each with a thread whose end wakes too.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>

#include "mp/base/deadline.hpp"

#include "memory/wait_source.hpp"
#include "os/futex.hpp"

namespace mp::memory {

// Each place takes a word and a life, and one word more is the tree's gate.
inline constexpr std::size_t kMostPlaces = (os::kMaxFutexWaits - 1) / 2;

// How long a sleep may last where somebody should be watched and nobody is known: ever longer, from
// a millisecond to a second.
struct Backoff {
  std::chrono::milliseconds slice{1};
};

// Sleeps until a word changes or is woken, a watched thread is gone, somebody in the tree died, or
// a slice is over. Spurious returns are normal: look again.
void sleep_many(std::span<const SleepPlace> places, Deadline until, Backoff& backoff) noexcept;

}  // namespace mp::memory
