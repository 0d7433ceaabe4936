// SPDX-License-Identifier: Apache-2.0
// sync/contention.hpp — how those who want a lock keep out of each other's way.
//
// What a lock that is fought over can do is decided by the cache: each look at its word takes the
// line away from the holder, and each change of hands carries the guarded data to another CPU. So a
// waiter looks at growing distances, which lets the holder take and release the lock several times
// in between, and adds to its wait a part of it at most. A sleep costs as much as a spin of kSpins,
// so that is when to stop. Where all seem to be on a single CPU the waiter lets the others run once
// instead.
//
// One who was woken may have to wait for a CPU while those who run take and release the lock. If it
// takes longer than kOverdue, the next one is woken too, so that all get their turn by the
// scheduler's reckoning, not one after the other.
//
// Everything here is process-local and a hint.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory/arena_layout.hpp"

namespace mp::sync {

class Contention {
 public:
  // What is known about the lock whose word this is. Locks may share it.
  static Contention& of(const layout::Word& word) noexcept;

  // Spins while (word & bits) > most. Returns whether it is no longer so. `other_cpu` is one where
  // a peer was seen, -1 if none was.
  static bool spin(const layout::Word& word, std::uint32_t bits, std::uint32_t most,
                   int other_cpu) noexcept;

  // Notes whether somebody is on the way, and returns whether that has been so for too long.
  bool overdue(bool waking) noexcept;

 private:
  std::atomic<std::int64_t> since_{0};  // on the steady clock; 0 = nobody is
};

}  // namespace mp::sync
