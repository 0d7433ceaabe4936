// SPDX-License-Identifier: Apache-2.0
// connection/ring_lock.hpp — taking turns at one side of a ring, and the commit that ends a turn.
//
// The lock is a word with the ThreadTag of who works there. All work under it is ended by one store
// of the side's position: before it nothing is visible, after it nothing is owed. So if the owner
// is killed the lock is simply taken over; there is nothing to repair.
//
// No code of users runs under it.
#pragma once

#include <atomic>
#include <cstdint>

#include "mp/base/deadline.hpp"

#include "connection/pipe_layout.hpp"
#include "memory/gate.hpp"

namespace mp::connection {

class RingLock {
 public:
  explicit RingLock(layout::RingSide& side) noexcept : side_{side} {}
  RingLock(const RingLock&) = delete;
  RingLock& operator=(const RingLock&) = delete;
  ~RingLock() {
    if (held_) {
      release();
    }
  }

  // Takes the lock. Returns false when `until` has passed or `closed` became true.
  bool acquire(Deadline until, const std::atomic<bool>& closed) {
    std::uint32_t nobody = 0;
    me_ = memory::this_thread();
    // Acquire: pairs with the release by the last owner.
    held_ = side_.lock.compare_exchange_strong(nobody, me_, std::memory_order_acquire,
                                               std::memory_order_relaxed) ||
            acquire_slowly(until, closed);
    return held_;
  }
  // Takes the lock if nobody who lives has it.
  bool try_acquire();

  // Gives the lock back; nothing was done.
  void release() noexcept;

  // The commit: moves the side to `position`, gives the lock back, and wakes who waits for either.
  void commit(std::uint64_t position) noexcept {
    note_cpu();
    held_ = false;
    if (sleeps(side_.moved)) [[unlikely]] {
      commit_and_wake(position);
      return;
    }
    // Release: pairs with the acquire load by the other side, and by the next owner.
    side_.position.store(position, std::memory_order_release);
    side_.lock.store(0, std::memory_order_release);
    // The stores before the looks; pairs with gate_prepare.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (sleeps(side_.moved) || sleeps(side_.turn)) [[unlikely]] {
      wake();
    }
  }

 private:
  static bool sleeps(const layout::Gate& gate) noexcept {
    return (gate.word.load(std::memory_order_relaxed) & layout::kGateSleepers) != 0;
  }
  bool acquire_slowly(Deadline until, const std::atomic<bool>& closed);
  bool take_from(std::uint32_t seen) noexcept;
  void note_cpu() noexcept;
  void commit_and_wake(std::uint64_t position) noexcept;
  void wake() noexcept;

  layout::RingSide& side_;
  memory::ThreadTag me_ = 0;
  bool held_ = false;
};

}  // namespace mp::connection
