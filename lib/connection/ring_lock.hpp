// SPDX-License-Identifier: Apache-2.0
// connection/ring_lock.hpp — taking turns at one side of a ring, and the commit that ends a turn.
//
// The lock is a word with the ThreadTag of who works there. All work under it is ended by one store
// of the side's position: before it nothing is visible, after it nothing is owed. So if the owner
// is killed the lock is simply taken over; there is nothing to repair.
//
// Most sides are used by one thread. After some turns in a row a thread gets a bias: it writes into
// its thread entry that it is inside, and goes in if nobody has the lock, without a locked
// instruction (memory/fences.hpp). Whoever takes the lock while another thread has the bias makes a
// heavy fence, waits until that thread is not inside, or dead, and takes the bias away. So
//
//   B1  Only who has the lock changes the bias, and it stays while anybody has the lock but for
//       being taken away. A killed owner of the lock leaves both, and the next one begins anew.
//   B2  Who is inside by the bias saw the lock free after it had said so; who has the lock and has
//       made its heavy fence has seen whether anybody was inside. One of the two sees the other.
//   B3  A thread is inside one side at a time. It says so in its own entry, which nobody else
//       writes, so that a late store of who has lost the bias does no harm.
//
// Each time it is taken away a bias takes twice as many turns to get.
//
// No code of users runs under it.
#pragma once

#include <atomic>
#include <cstdint>

#include "mp/base/deadline.hpp"

#include "connection/pipe_layout.hpp"
#include "memory/fences.hpp"
#include "memory/gate.hpp"
#include "memory/threads.hpp"

namespace mp::connection {

class RingLock {
 public:
  explicit RingLock(layout::RingSide& side) noexcept : side_{side} {}
  RingLock(const RingLock&) = delete;
  RingLock& operator=(const RingLock&) = delete;
  ~RingLock() {
    if (held_ != Held::no) [[unlikely]] {
      release();
    }
  }

  // Takes the lock. Returns false when `until` has passed or `closed` became true.
  bool acquire(Deadline until, const std::atomic<bool>& closed) {
    me_ = memory::this_thread();
    if (side_.bias.load(std::memory_order_relaxed) == me_ && enter()) [[likely]] {
      return true;
    }
    return acquire_word(until, closed);
  }
  // Takes the lock if nobody who lives has it.
  bool try_acquire();

  // Gives the lock back; nothing was done.
  void release() noexcept;

  // The commit: moves the side to `position`, gives the lock back, and wakes who waits for either.
  void commit(std::uint64_t position) noexcept {
    if (sleeps(side_.moved)) [[unlikely]] {
      commit_and_wake(position);
      return;
    }
    const Held how = held_;
    held_ = Held::no;
    note_cpu(position);
    if (how == Held::by_bias) [[likely]] {
      // Release: pairs with the acquire load by the other side, and by who takes the bias away.
      side_.position.store(position, std::memory_order_release);
      memory::inside_of_this_thread().store(0, std::memory_order_release);
    } else {
      commit_word(position);
    }
    // The stores before the looks; pairs with gate_prepare_heavily.
    memory::light_fence();
    if (sleeps(side_.moved) || sleeps(side_.turn)) [[unlikely]] {
      wake();
    }
  }

 private:
  enum class Held : std::uint8_t { no, by_bias, by_word };

  static bool sleeps(const layout::Gate& gate) noexcept {
    return (gate.word.load(std::memory_order_relaxed) & layout::kGateSleepers) != 0;
  }

  // Goes in by the bias.
  bool enter() noexcept {
    layout::Word64& inside = memory::inside_of_this_thread();
    inside.store(side_.self, std::memory_order_relaxed);
    memory::light_fence();  // pairs with the heavy one in take_bias
    // Acquire: pairs with the release by the last owner of the lock.
    if (side_.lock.load(std::memory_order_acquire) == 0 &&
        side_.bias.load(std::memory_order_relaxed) == me_) [[likely]] {
      held_ = Held::by_bias;
      return true;
    }
    stay_out();
    return false;
  }
  // The CPU of this side, for the other side's spinning, now and then.
  void note_cpu(std::uint64_t position) noexcept {
    constexpr std::uint64_t kOften = 512;
    if (((position ^ side_.position.load(std::memory_order_relaxed)) & ~(kOften - 1)) != 0) {
      note_cpu_now();
    }
  }

  bool acquire_word(Deadline until, const std::atomic<bool>& closed);
  bool wait_for_word(Deadline until, const std::atomic<bool>& closed);
  bool take_word(std::uint32_t seen) noexcept;
  bool take_bias(Deadline until, const std::atomic<bool>& closed);
  [[nodiscard]] bool is_inside(memory::ThreadTag other) const noexcept;
  void stay_out() noexcept;
  void leave() noexcept;
  void note_cpu_now() noexcept;
  void commit_word(std::uint64_t position) noexcept;
  void commit_and_wake(std::uint64_t position) noexcept;
  void wake() noexcept;

  layout::RingSide& side_;
  memory::ThreadTag me_ = 0;
  Held held_ = Held::no;
};

}  // namespace mp::connection
