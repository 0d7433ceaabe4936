// SPDX-License-Identifier: Apache-2.0
// Lock: the lease lock of lock_word.hpp, behind a handle.
#include "mp/sync/lock.hpp"

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/object.hpp"
#include "memory/threads.hpp"
#include "sync/lock_object.hpp"
#include "sync/lock_word.hpp"

namespace mp {

using sync::Released;
using sync::Releaser;
using sync::Taken;

Lock::Lock(on_owner_death policy)
    : ref_{sync::make_lock_object(policy == on_owner_death::release ? layout::kLockTakesOver : 0)} {
}

Lock::Lock(detail::ObjectRef ref) : ref_{std::move(ref)} {
  static_assert(kObjectType == static_cast<std::uint32_t>(memory::ObjectType::lock));
  if ((sync::lock_object(ref_).flags.load(std::memory_order_relaxed) & layout::kLockRecursive) !=
      0) {
    throw DecodeError{"the message refers to an RLock where a Lock was expected"};
  }
}

bool Lock::acquire(Deadline until) {
  layout::LockObject& object = sync::checked_lock(ref_);
  const memory::ThreadTag me = memory::this_thread();
  if (sync::lock_try_quickly(object.lock, me)) [[likely]] {
    return true;
  }
  return sync::taken_or_throw(
      sync::lock_acquire_slowly(object.lock, me, until, sync::policy_of(object)));
}

void Lock::lock() {
  static_cast<void>(acquire(Deadline::never()));
}

bool Lock::try_lock() {
  return acquire(Deadline::now());
}

void Lock::release() {
  layout::LockObject& object = sync::checked_lock(ref_);
  const memory::ThreadTag me = memory::this_thread();
  if (sync::lock_release_quickly(object.lock, me)) [[likely]] {
    return;
  }
  sync::released_or_throw(
      sync::lock_release_slowly(object.lock, me, sync::policy_of(object), Releaser::anyone));
}

bool Lock::recover() {
  return sync::lock_recover(sync::checked_lock(ref_).lock, memory::this_thread());
}

bool Lock::locked() const {
  const layout::LockObject& object = sync::checked_lock(ref_);
  return sync::lock_is_closed(object.lock, sync::policy_of(object));
}

}  // namespace mp
