// SPDX-License-Identifier: Apache-2.0
#include "sync/lock_errors.hpp"

#include "mp/errors/error.hpp"

namespace mp::sync {

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
