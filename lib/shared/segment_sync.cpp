// SPDX-License-Identifier: Apache-2.0
// There is no arena between unrelated programs, hence no leases and no gate: the kernel's robust
// mutex for the lock, and for the others words whose sleepers look again every second, because a
// waker may be killed before it wakes.
#include "mp/shared/segment_sync.hpp"

#include <chrono>

#include "mp/errors/error.hpp"

#include "os/futex.hpp"
#include "os/robust_mutex.hpp"

namespace mp {

namespace {

constexpr std::chrono::seconds kSlice{1};
constexpr std::uint32_t kMostPermits = 0x7fffffff;

}  // namespace

SegmentLock::SegmentLock() {
  static_assert(sizeof(storage_) == os::kRobustMutexSize);
  os::robust_init(storage_.data());
}

// A holder that died is noted before the mutex goes on, so a kill between the two changes nothing.
bool SegmentLock::take(Deadline until) {
  const os::Robust result = os::robust_lock(storage_.data(), until);
  if (result == os::Robust::owner_died) {
    abandoned_.store(1);
    os::robust_go_on(storage_.data());
  }
  return result != os::Robust::busy;
}

bool SegmentLock::acquire(Deadline until) {
  if (!take(until)) {
    return false;
  }
  if (abandoned_.load() != 0) {
    release();
    throw OwnerDied{"whoever held the lock died"};
  }
  return true;
}

void SegmentLock::release() noexcept {
  os::robust_unlock(storage_.data());
}

bool SegmentLock::recover() {
  static_cast<void>(take(Deadline::never()));
  return abandoned_.exchange(0) != 0;
}

bool SegmentSemaphore::acquire(Deadline until) noexcept {
  std::uint32_t seen = permits_.load();
  for (;;) {
    while (seen != 0) {
      if (permits_.compare_exchange_weak(seen, seen - 1)) {
        return true;
      }
    }
    if (until.passed()) {
      return false;
    }
    // Counted for the waker's sake alone: one that is killed here leaves wake-ups too many.
    sleepers_.fetch_add(1);
    (void)os::futex_wait(permits_, 0, until.no_later_than(kSlice));
    sleepers_.fetch_sub(1);
    seen = permits_.load();
  }
}

void SegmentSemaphore::release(std::uint32_t count) {
  std::uint32_t seen = permits_.load();
  do {
    if (count > kMostPermits - seen) {
      throw OverRelease{"a semaphore has at most 2^31 - 1 permits"};
    }
  } while (!permits_.compare_exchange_weak(seen, seen + count));
  if (sleepers_.load() != 0) {
    (void)os::futex_wake(permits_, static_cast<int>(count));
  }
}

void SegmentEvent::set() noexcept {
  if (is_set_.exchange(1) == 0) {
    (void)os::futex_wake(is_set_, os::kEverybody);
  }
}

bool SegmentEvent::wait(Deadline until) const noexcept {
  while (is_set_.load() == 0) {
    if (until.passed()) {
      return false;
    }
    (void)os::futex_wait(is_set_, 0, until.no_later_than(kSlice));
  }
  return true;
}

}  // namespace mp
