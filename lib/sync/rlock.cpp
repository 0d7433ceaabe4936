// SPDX-License-Identifier: Apache-2.0
// RLock: the lease lock, and a count beside it that its owner alone writes. The count is zero
// whenever somebody takes the lock: a regular release leaves it so, and who takes over from the
// dead makes it so.
#include "mp/sync/rlock.hpp"

#include "mp/errors/error.hpp"

#include "memory/object.hpp"
#include "memory/threads.hpp"
#include "sync/lock_object.hpp"
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
  return sync::acquire_object(sync::checked_lock(ref_), until);
}

void RLock::lock() {
  static_cast<void>(acquire(Deadline::never()));
}

bool RLock::try_lock() {
  return acquire(Deadline::now());
}

void RLock::release() {
  sync::release_object(sync::checked_lock(ref_));
}

bool RLock::recover() {
  return sync::lock_recover(sync::checked_lock(ref_).lock, memory::this_thread());
}

bool RLock::locked() const {
  const LockObject& object = sync::checked_lock(ref_);
  return sync::lock_is_closed(object.lock, sync::policy_of(object));
}

}  // namespace mp
