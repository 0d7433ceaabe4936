// SPDX-License-Identifier: Apache-2.0
// sync/lock_object.hpp — a Lock or RLock behind a handle: what both do, and what they throw.
#pragma once

#include <cstddef>

#include "memory/threads.hpp"
#include "sync/lock_word.hpp"

namespace mp::sync {

[[noreturn]] void throw_moved_from();
[[noreturn]] void throw_owner_died();
[[noreturn]] void throw_not_released(Released result);

// The object behind a handle. Throws UsageError if the handle was moved from.
[[nodiscard]] inline layout::LockObject& checked_lock(const mp::detail::ObjectRef& ref) {
  if (!ref) [[unlikely]] {
    throw_moved_from();
  }
  return lock_object(ref);
}

// What acquire and release of a Lock or an RLock do, whichever it is.
bool acquire_object(layout::LockObject& object, Deadline until);
void release_object(layout::LockObject& object);

// Releases the word of a lock, whichever it is, and does what wake_at_release left to do.
Released release_word(layout::LockObject& object, memory::ThreadTag me) noexcept;

// This thread holds `object` and has made true what somebody waits for who sleeps on `word`, and
// who will need the lock. Woken at once it would, on the same CPU, push this thread aside only to
// find the lock taken. So it is woken when an RLock is released, which nobody but this thread can
// do. The sleeper sleeps in slices in any case, which covers a notifier that never gets so far.
void wake_at_release(const layout::LockObject& object, const layout::Word& word) noexcept;

namespace detail {

[[gnu::tls_model("initial-exec")]] extern thread_local constinit std::size_t wakes_owed;

}  // namespace detail

// Whether this thread has such wake-ups to do at its next release.
[[nodiscard]] inline bool owes_wakes() noexcept {
  return detail::wakes_owed != 0;
}

// The same where that needs nothing done, and nullptr otherwise.
[[nodiscard]] inline layout::LockObject* lock_at_hand(const mp::detail::ObjectRef& ref) noexcept {
  return reinterpret_cast<layout::LockObject*>(ref.data_at_hand());
}
// Takes the lock if it is at hand and free, and nobody waits for it.
[[nodiscard]] inline bool take_free(const mp::detail::ObjectRef& ref) noexcept {
  layout::LockObject* const object = lock_at_hand(ref);
  return object != nullptr && lock_take_free(object->lock, memory::known_tag());
}

[[nodiscard]] inline bool taken_or_throw(Taken result) {
  if (result == Taken::owner_died) {
    throw_owner_died();
  }
  return result == Taken::yes;
}

inline void released_or_throw(Released result) {
  if (result != Released::yes) {
    throw_not_released(result);
  }
}

}  // namespace mp::sync
