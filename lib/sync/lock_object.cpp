// SPDX-License-Identifier: Apache-2.0
#include "sync/lock_object.hpp"

#include <limits>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/threads.hpp"

namespace mp::sync {

namespace {

bool is_recursive(const layout::LockObject& object) noexcept {
  return (object.flags.load(std::memory_order_relaxed) & layout::kLockRecursive) != 0;
}

}  // namespace

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
  released_or_throw(lock_release(object.lock, me, policy_of(object),
                                 is_recursive(object) ? Releaser::owner : Releaser::anyone));
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
