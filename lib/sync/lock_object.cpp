// SPDX-License-Identifier: Apache-2.0
#include "sync/lock_object.hpp"

#include <array>
#include <cstddef>
#include <limits>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/gate.hpp"
#include "memory/threads.hpp"

namespace mp::sync {

namespace {

bool is_recursive(const layout::LockObject& object) noexcept {
  return (object.flags.load(std::memory_order_relaxed) & layout::kLockRecursive) != 0;
}

// Who is to be woken when this thread releases an RLock.
constinit thread_local std::array<const layout::Word*, 16> owed{};

}  // namespace

namespace detail {

thread_local constinit std::size_t wakes_owed = 0;  // how many of them there are

}  // namespace detail

void wake_at_release(const layout::LockObject& object, const layout::Word& word) noexcept {
  if (!is_recursive(object) || detail::wakes_owed == owed.size()) {
    memory::word_wake(word, 1);
    return;
  }
  owed[detail::wakes_owed++] = &word;
}

Released release_word(layout::LockObject& object, memory::ThreadTag me) noexcept {
  const Releaser who = is_recursive(object) ? Releaser::owner : Releaser::anyone;
  if (!owes_wakes()) {
    return lock_release(object.lock, me, policy_of(object), who);
  }
  const memory::ArmedWake armed;
  const Released result = lock_release(object.lock, me, policy_of(object), who);
  while (result == Released::yes && owes_wakes()) {
    memory::word_wake(*owed[--detail::wakes_owed], 1);
  }
  return result;
}

bool acquire_object(layout::LockObject& object, Deadline until) {
  const memory::ThreadTag me = memory::this_thread();
  if (lock_try_quickly(object.lock, me)) {
    return true;
  }
  if (is_recursive(object) && lock_is_held_by(object.lock, me)) {
    const std::uint32_t nested = object.lock.nested.load(std::memory_order_relaxed);
    MP_EXPECTS(nested != std::numeric_limits<std::uint32_t>::max(),
               "an RLock cannot be held more than 2^32 times");
    object.lock.nested.store(nested + 1, std::memory_order_relaxed);
    return true;
  }
  return taken_or_throw(lock_acquire_slowly(object.lock, me, until, policy_of(object)));
}

void release_object(layout::LockObject& object) {
  const memory::ThreadTag me = memory::this_thread();
  const std::uint32_t nested = object.lock.nested.load(std::memory_order_relaxed);
  if (nested != 0 && lock_is_held_by(object.lock, me)) {
    object.lock.nested.store(nested - 1, std::memory_order_relaxed);
    return;
  }
  released_or_throw(release_word(object, me));
}

void throw_moved_from() {
  throw UsageError{"a handle that was moved from refers to nothing"};
}

void throw_owner_died() {
  throw OwnerDied{"the process that held the lock died; recover() takes and reopens it"};
}

void throw_not_released(Released result) {
  switch (result) {
    case Released::owner_died:
      throw_owner_died();
    case Released::not_owner:
      throw NotOwner{"this thread does not hold the lock"};
    case Released::was_free:
    case Released::yes:
      break;
  }
  throw OverRelease{"the lock was released more often than acquired"};
}

}  // namespace mp::sync
