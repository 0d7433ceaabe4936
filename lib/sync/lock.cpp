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

using sync::Releaser;

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

namespace {

// The long ways stand apart: they would make the short ones save registers.
[[gnu::noinline]] bool acquire_slowly(const detail::ObjectRef& ref, Deadline until) {
  layout::LockObject& object = sync::checked_lock(ref);
  return sync::taken_or_throw(
      sync::lock_acquire(object.lock, memory::this_thread(), until, sync::policy_of(object)));
}

[[gnu::noinline]] void release_slowly(const detail::ObjectRef& ref) {
  layout::LockObject& object = sync::checked_lock(ref);
  sync::released_or_throw(sync::lock_release(object.lock, memory::this_thread(),
                                             sync::policy_of(object), Releaser::anyone));
}

}  // namespace

bool Lock::acquire(Deadline until) {
  if (sync::take_free(ref_)) [[likely]] {
    return true;
  }
  return acquire_slowly(ref_, until);
}

void Lock::release() {
  layout::LockObject* const object = sync::lock_at_hand(ref_);
  if (object != nullptr && sync::lock_free_again(object->lock, memory::known_tag())) [[likely]] {
    return;
  }
  release_slowly(ref_);
}

bool Lock::recover() {
  return sync::lock_recover(sync::checked_lock(ref_).lock, memory::this_thread());
}

bool Lock::locked() const {
  const layout::LockObject& object = sync::checked_lock(ref_);
  return sync::lock_is_closed(object.lock, sync::policy_of(object));
}

}  // namespace mp
