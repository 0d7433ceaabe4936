// SPDX-License-Identifier: Apache-2.0
// memory/fences.hpp — a pair of fences of which the frequent one is free.
//
// Two sides that each store something and then look at what the other one stored need a full fence
// in between, or both may miss the other. Where one side does so at every message and the other one
// only before it sleeps, the second can pay for both: a light fence keeps the compiler from moving
// anything over it, and no more; a heavy fence makes every thread of the tree that is running pass
// a full fence (os/membarrier.hpp), and those that are not have passed one when they were switched
// out. So of a light and a heavy fence in two threads, one comes first: everything before it is
// seen by whatever comes after the other.
//
//     often:                             seldom:
//       position.store(...);               sleepers.store(1);
//       light_fence();                     heavy_fence();
//       if (sleepers.load()) ...           if (position.load() ...) ...
//
// A process in which the kernel does not offer this makes its light fences full ones. One that
// cannot make a heavy fence, in a tree where others make light ones (it was sandboxed after they
// had begun), waits a millisecond instead: a store leaves its CPU a thousand times faster, and the
// thread that made it passes a full fence should it be switched out first.
//
// Threads, Processes: any of one tree. A thread is known to the tree (this_thread) before its first
// light fence.
#pragma once

#include <atomic>

namespace mp::memory {

namespace detail {

// Whether this process takes part in heavy fences. A fork makes it false in the child, until the
// child's first thread is known to the tree.
extern constinit std::atomic<bool> fences_are_light;
void join_heavy_fences() noexcept;

}  // namespace detail

// Called by a process before it uses the tree's memory (threads.cpp).
inline void join_heavy_fences() noexcept {
  if (!detail::fences_are_light.load(std::memory_order_relaxed)) {
    detail::join_heavy_fences();
  }
}

[[nodiscard]] inline bool fences_are_light() noexcept {
  return detail::fences_are_light.load(std::memory_order_relaxed);
}

inline void light_fence() noexcept {
  if (fences_are_light()) [[likely]] {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

// Costs a few microseconds.
void heavy_fence() noexcept;

}  // namespace mp::memory
