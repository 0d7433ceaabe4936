// SPDX-License-Identifier: Apache-2.0
// os/robust.hpp — marks in shared memory that the kernel changes when a thread dies.
//
// A Lease is a futex word that one thread holds for life. When the thread ends in whatever way,
// SIGKILL and exec included, the kernel sets a bit in the word and wakes one sleeper. That the
// bit is set proves that this thread will never run again; it says nothing about its siblings.
//
// A PendingWake covers the moment between a store that others wait for and the wake-up: if the
// thread is killed in its scope the kernel wakes one sleeper of the gate instead.
//
//     PendingWake cover{gate};            // gate is always zero
//     state.store(kReady);                // the commit
//     futex_wake(gate, kEverybody);
//
// Both rest on the thread's robust list, which belongs to libc: a Lease is a pthread mutex in it,
// a PendingWake borrows its "operation pending" slot.
//
// Threads:   a Lease is held and released by one thread; word() and lease_died() are for all. A
//            PendingWake stays in the thread that made it.
// Processes: a Lease lies in shared memory, at any address in each process. Its page must stay
//            mapped in the holder's process for as long as it is held.
// Fork:      a child holds none of its parent's leases; it takes its own.
// Crash:     see above. The kernel wakes one sleeper only: whoever is woken wakes the others.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "os/futex.hpp"

namespace mp::os {

// The bits of a lease's word.
inline constexpr std::uint32_t kLeaseSleepers = 0x8000'0000;  // the kernel is to wake at death
inline constexpr std::uint32_t kLeaseDied = 0x4000'0000;      // set by the kernel
inline constexpr std::uint32_t kLeaseThread = 0x3fff'ffff;    // the holder's thread id

//   0        4                                             40
//   +--------+----------------------------------------------+
//   |  word  |  the rest of a robust, process-shared mutex   |
//   +--------+----------------------------------------------+
struct Lease {
  alignas(8) std::byte storage[40];

  // What a sleeper waits on; while its holder lives the word does not change.
  [[nodiscard]] const Word& word() const noexcept {
    return *reinterpret_cast<const Word*>(storage);
  }
};
static_assert(sizeof(Lease) == 40);

// Makes a free lease of zeroed or used memory. Nobody alive may hold it.
void lease_init(Lease& lease);

// Takes the lease for the rest of the calling thread's life. Returns false if another thread that
// lives holds it. A lease whose holder died can be taken without a new lease_init.
[[nodiscard]] bool lease_hold(Lease& lease) noexcept;

// Gives it back; the word is 0 then. Nothing happens if this thread does not hold it.
void lease_release(Lease& lease) noexcept;

// Whether the thread that held it is dead. One load.
[[nodiscard]] inline bool lease_died(const Lease& lease) noexcept {
  // Acquire: whoever repairs after the dead sees what they had written.
  return (lease.word().load(std::memory_order_acquire) & kLeaseDied) != 0;
}

// Whether PendingWake works here. Where it does not, sleepers rely on their slices alone.
[[nodiscard]] bool have_pending_wake() noexcept;

namespace detail {

// The kernel's struct robust_list_head.
struct RobustHead {
  void* list;
  long futex_offset;
  void* pending;
};

extern thread_local constinit RobustHead* robust_head;

// Asks the kernel for this thread's list head, once; null if it does not tell.
RobustHead* find_robust_head() noexcept;

// After a raw clone: an empty list at `head`, registered with the kernel, for the new process.
void reset_robust_list(RobustHead* head) noexcept;

}  // namespace detail

// Scope in which the kernel wakes one sleeper of `gate` should this thread be killed. No robust
// pthread mutex may be locked or unlocked in the scope: libc uses the same slot.
class PendingWake {
 public:
  explicit PendingWake(const Word& gate) noexcept
      : head_{detail::robust_head != nullptr ? detail::robust_head : detail::find_robust_head()} {
    if (head_ != nullptr) {
      before_ = head_->pending;
      // The kernel adds futex_offset to find the word.
      store(reinterpret_cast<char*>(const_cast<Word*>(&gate)) - head_->futex_offset);
    }
  }
  ~PendingWake() {
    if (head_ != nullptr) {
      store(before_);
    }
  }
  PendingWake(const PendingWake&) = delete;
  PendingWake& operator=(const PendingWake&) = delete;

 private:
  // Only the kernel reads the slot, on this thread's behalf, so the compiler alone must keep the
  // order of this store and those around it.
  void store(void* entry) noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    *const_cast<void* volatile*>(&head_->pending) = entry;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }

  detail::RobustHead* head_;
  void* before_ = nullptr;
};

}  // namespace mp::os
