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

namespace {

// The long ways stand apart: they would make the short ones save registers.
[[gnu::noinline]] bool acquire_slowly(const detail::ObjectRef& ref, Deadline until) {
  return sync::acquire_object(sync::checked_lock(ref), until);
}

[[gnu::noinline]] void release_slowly(const detail::ObjectRef& ref) {
  sync::release_object(sync::checked_lock(ref));
}

}  // namespace

bool RLock::acquire(Deadline until) {
  if (sync::take_free(ref_)) [[likely]] {
    return true;
  }
  return acquire_slowly(ref_, until);
}

void RLock::release() {
  LockObject* const object = sync::lock_at_hand(ref_);
  if (object != nullptr && object->lock.nested.load(std::memory_order_relaxed) == 0 &&
      !sync::owes_wakes() && sync::lock_free_again(object->lock, memory::known_tag())) [[likely]] {
    return;
  }
  release_slowly(ref_);
}

bool RLock::recover() {
  return sync::lock_recover(sync::checked_lock(ref_).lock, memory::this_thread());
}

bool RLock::locked() const {
  const LockObject& object = sync::checked_lock(ref_);
  return sync::lock_is_closed(object.lock, sync::policy_of(object));
}

}  // namespace mp
