// SPDX-License-Identifier: Apache-2.0
// sync/lock_word.hpp — the lease lock: one word in shared memory, for users' locks and our own.
//
//   31         30       29                                                0
//   +----------+--------+-------------------------------------------------+
//   | sleepers | waking |  owner: 0 = nobody, 1 = abandoned, or ThreadTag  |
//   +----------+--------+-------------------------------------------------+
//
//   abandoned    the owner's process died, and nobody has taken the lock since
//   sleepers     somebody may sleep
//   waking       somebody was woken and is on the way here, so releases wake nobody else
//
// Invariants
//   L1  Taking, releasing and abandoning are one CAS each. There is no other state that matters.
//   L2  Who sleeps, or slept and goes on to take the lock or to give up, leaves `sleepers` up. It
//       comes down only after a wake-up that found nobody. So a waiter that was woken and then
//       killed, or timed out, takes no wake-up away from those behind it.
//   L3  Whoever has been asleep here, or is about to wake another, has a pending wake-up armed
//       (memory::ArmedWake): if it is killed, the kernel wakes the tree instead.
//   L4  A lock is abandoned only when its owner's *process* is dead, or has run its last
//       instruction. A thread that ended while its process lives still owns what it held.
//   L5  `waking` is a hint. Who comes back from a sleep, for whatever reason, takes it down when it
//       next changes the word; taken down in vain it costs a wake-up too many. Left up by the dead
//       it is taken down by those whom L3 wakes; where nobody slept at that time, by those who fall
//       asleep later, for they sleep in slices while it is up.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "mp/base/deadline.hpp"
#include "mp/memory/object_ref.hpp"

#include "memory/arena_layout.hpp"
#include "memory/tags.hpp"

namespace mp::layout {

struct LockWord {
  Word word;
  Word nested;  // recursive locks: how often the owner holds it beyond once; the owner's to write
  Word cpus;    // hint: whereabouts.hpp
};
inline constexpr std::uint32_t kLockSleepers = 1u << 31;
inline constexpr std::uint32_t kLockWaking = 1u << 30;
inline constexpr std::uint32_t kLockOwner = kLockWaking - 1;
inline constexpr std::uint32_t kLockAbandoned = 1;  // as an owner
static_assert(memory::kThreadTagBits == 30);
static_assert(memory::thread_generation(kLockAbandoned) == 0, "no thread has this tag");

// An object of type lock, or of type memory, where the lock is not used. Bytes of the user (Value,
// Array) may follow.
struct alignas(64) LockObject {
  LockWord lock;
  Word flags;             // kLock..., fixed once the object is published
  std::uint64_t payload;  // how many bytes follow
  // The user's: how many extents the bytes have, and which. Fixed once anybody else sees the
  // object.
  std::uint64_t rank;
  std::uint64_t extents[4];
};
inline constexpr std::uint32_t kLockRecursive = 1;  // an RLock
inline constexpr std::uint32_t kLockTakesOver = 2;  // on_owner_death::release
static_assert(sizeof(LockObject) == 64 && std::is_standard_layout_v<LockObject>);

}  // namespace mp::layout

namespace mp::sync {

// What acquirers do about a dead owner: be told, or take over.
enum class OnDeath : bool { tell, take_over };
// Who may release.
enum class Releaser : bool { owner, anyone };

enum class Taken : std::uint8_t { yes, timed_out, owner_died };
enum class Released : std::uint8_t { yes, was_free, owner_died, not_owner };

[[nodiscard]] Taken lock_acquire_slowly(layout::LockWord& lock, memory::ThreadTag me,
                                        Deadline until, OnDeath policy) noexcept;
[[nodiscard]] Released lock_release_slowly(layout::LockWord& lock, memory::ThreadTag me,
                                           OnDeath policy, Releaser who) noexcept;

// Takes a lock that is free. One CAS, two where somebody sleeps.
// What nearly every acquire and release comes to: nobody holds it, nobody waits. `me` may be 0, of
// a thread that is not known yet: then it fails.
[[nodiscard]] inline bool lock_take_free(layout::LockWord& lock, memory::ThreadTag me) noexcept {
  std::uint32_t seen = 0;
  return me != 0 && lock.word.compare_exchange_strong(seen, me, std::memory_order_acquire,
                                                      std::memory_order_relaxed);
}
[[nodiscard]] inline bool lock_free_again(layout::LockWord& lock, memory::ThreadTag me) noexcept {
  std::uint32_t seen = me;
  // Release: pairs with the acquire of whoever takes it next.
  return me != 0 && lock.word.compare_exchange_strong(seen, 0, std::memory_order_release,
                                                      std::memory_order_relaxed);
}

[[nodiscard]] inline bool lock_try_quickly(layout::LockWord& lock, memory::ThreadTag me) noexcept {
  std::uint32_t seen = 0;
  while ((seen & layout::kLockOwner) == 0) {
    if (lock.word.compare_exchange_strong(seen, seen | me, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

// Releases a lock that `me` holds, if there is nobody to wake. One CAS, two where somebody sleeps.
[[nodiscard]] inline bool lock_release_quickly(layout::LockWord& lock,
                                               memory::ThreadTag me) noexcept {
  constexpr std::uint32_t kWakingUp = layout::kLockSleepers | layout::kLockWaking;
  std::uint32_t seen = me;
  do {
    // Release: pairs with the acquire in lock_try_quickly and lock_acquire_slowly.
    if (lock.word.compare_exchange_strong(seen, seen & ~layout::kLockOwner,
                                          std::memory_order_release, std::memory_order_relaxed)) {
      return true;
    }
  } while (seen == (me | kWakingUp));
  return false;
}

// Waits until the lock is free, and takes it.
[[nodiscard]] inline Taken lock_acquire(layout::LockWord& lock, memory::ThreadTag me,
                                        Deadline until, OnDeath policy) noexcept {
  return lock_try_quickly(lock, me) ? Taken::yes : lock_acquire_slowly(lock, me, until, policy);
}

[[nodiscard]] inline Released lock_release(layout::LockWord& lock, memory::ThreadTag me,
                                           OnDeath policy, Releaser who) noexcept {
  return lock_release_quickly(lock, me) ? Released::yes
                                        : lock_release_slowly(lock, me, policy, who);
}

[[nodiscard]] inline bool lock_is_held_by(const layout::LockWord& lock,
                                          memory::ThreadTag me) noexcept {
  return (lock.word.load(std::memory_order_relaxed) & layout::kLockOwner) == me;
}
// Whether an acquire would have to wait or to throw.
[[nodiscard]] bool lock_is_closed(const layout::LockWord& lock, OnDeath policy) noexcept;

// Takes the lock after its owner's death, or once it is free. Returns whether it was abandoned:
// then the caller is the one who must mend what it guards.
bool lock_recover(layout::LockWord& lock, memory::ThreadTag me) noexcept;

// For the sweep: `process` is dead.
void lock_on_death(layout::LockWord& lock, memory::ProcessId process) noexcept;

// Makes an object of type lock, with `payload` bytes of zeroes after it.
[[nodiscard]] mp::detail::ObjectRef make_lock_object(std::uint32_t flags, std::uint64_t payload = 0,
                                                     bool sparse = false);

[[nodiscard]] inline layout::LockObject& lock_object(const mp::detail::ObjectRef& ref) {
  return *reinterpret_cast<layout::LockObject*>(ref.data());
}
[[nodiscard]] inline OnDeath policy_of(const layout::LockObject& object) noexcept {
  return (object.flags.load(std::memory_order_relaxed) & layout::kLockTakesOver) != 0
             ? OnDeath::take_over
             : OnDeath::tell;
}

}  // namespace mp::sync
