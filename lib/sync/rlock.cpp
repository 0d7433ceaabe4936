// SPDX-License-Identifier: Apache-2.0
// RLock: the lease lock, and a count beside it that its owner alone writes. The count is zero
// whenever somebody takes the lock: a regular release leaves it so, and who takes over from the
// dead makes it so.
#include "mp/sync/rlock.hpp"

#include <limits>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/object.hpp"
#include "memory/threads.hpp"
#include "sync/lock_errors.hpp"
#include "sync/lock_word.hpp"

namespace mp {

using layout::LockObject;

RLock::RLock(on_owner_death policy)
    : ref_{sync::make_lock_object(
          layout::kLockRecursive |
          (policy == on_owner_death::release ? layout::kLockTakesOver : 0))} {}

RLock::RLock(detail::ObjectRef ref) : ref_{std::move(ref)} {
  static_assert(kObjectType == static_cast<std::uint32_t>(memory::ObjectType::lock));
  if ((sync::lock_object(ref_).flags.load(std::memory_order_relaxed) & layout::kLockRecursive) ==
      0) {
    throw DecodeError{"the message refers to a Lock where an RLock was expected"};
  }
}

bool RLock::acquire(Deadline until) {
  LockObject& object = sync::checked_lock(ref_);
  const memory::ThreadTag me = memory::this_thread();
  if (sync::lock_try_quickly(object.lock, me)) [[likely]] {
    return true;
  }
  if (sync::lock_is_held_by(object.lock, me)) {
    const std::uint32_t nested = object.lock.nested.load(std::memory_order_relaxed);
    MP_EXPECTS(nested != std::numeric_limits<std::uint32_t>::max(),
               "an RLock cannot be held more than 2^32 times");
    object.lock.nested.store(nested + 1, std::memory_order_relaxed);
    return true;
  }
  return sync::taken_or_throw(
      sync::lock_acquire_slowly(object.lock, me, until, sync::policy_of(object)));
}

void RLock::lock() {
  static_cast<void>(acquire(Deadline::never()));
}

bool RLock::try_lock() {
  return acquire(Deadline::now());
}

void RLock::release() {
  LockObject& object = sync::checked_lock(ref_);
  const memory::ThreadTag me = memory::this_thread();
  const std::uint32_t nested = object.lock.nested.load(std::memory_order_relaxed);
  if (nested != 0 && sync::lock_is_held_by(object.lock, me)) {
    object.lock.nested.store(nested - 1, std::memory_order_relaxed);
    return;
  }
  sync::released_or_throw(
      sync::lock_release(object.lock, me, sync::policy_of(object), sync::Releaser::owner));
}

bool RLock::recover() {
  return sync::lock_recover(sync::checked_lock(ref_).lock, memory::this_thread());
}

bool RLock::locked() const {
  const LockObject& object = sync::checked_lock(ref_);
  return sync::lock_is_closed(object.lock, sync::policy_of(object));
}

}  // namespace mp
