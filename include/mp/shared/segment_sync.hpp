// SPDX-License-Identifier: Apache-2.0
// mp/shared/segment_sync.hpp — Lock, Semaphore and Event for unrelated programs: objects that live
// in a Segment, or in any memory that processes map.
//
//     auto& ready = segment.find_or_construct<mp::SegmentEvent>("ready");
//     ready.wait(1s);
//
// They are not handles but the thing itself, hence neither copied nor sent; others find them by
// their name in the segment. Within one tree of processes use mp::Lock and its kind, which are
// faster and notice more.
//
// Threads:   any.
// Crash:     SegmentLock: when the holder died, acquire throws OwnerDied, and the lock stays closed
//            until recover(). SegmentSemaphore's permits have no owner. A waker killed between its
//            store and its wake-up delays a sleeper by at most a second.
// Blocks:    acquire and wait; bound them with a timeout.
// Order:     what was written before release or set is seen after the acquire or wait that follows.
// Throws:    OwnerDied; OverRelease.
// Python:    multiprocessing's, by name.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"

namespace mp {

// Recursive; its holder releases it.
class MP_API SegmentLock {
 public:
  SegmentLock();
  SegmentLock(const SegmentLock&) = delete;
  SegmentLock& operator=(const SegmentLock&) = delete;
  ~SegmentLock() = default;

  bool acquire(Deadline until = Deadline::never());
  void release() noexcept;
  void lock() { static_cast<void>(acquire()); }
  bool try_lock() { return acquire(Deadline::now()); }
  bool try_lock_for(Deadline limit) { return acquire(limit); }
  void unlock() noexcept { release(); }
  // Takes the lock, and opens it if its holder died: the caller mends what it guards, and releases.
  // Returns whether that was so.
  bool recover();

 private:
  bool take(Deadline until);

  alignas(8) std::array<std::byte, 40> storage_{};
  std::atomic<std::uint32_t> abandoned_{0};
};

class MP_API SegmentSemaphore {
 public:
  explicit SegmentSemaphore(std::uint32_t permits = 1) noexcept : permits_{permits} {}
  SegmentSemaphore(const SegmentSemaphore&) = delete;
  SegmentSemaphore& operator=(const SegmentSemaphore&) = delete;
  ~SegmentSemaphore() = default;

  bool acquire(Deadline until = Deadline::never()) noexcept;
  // Throws OverRelease beyond 2^31 - 1 permits.
  void release(std::uint32_t count = 1);
  [[nodiscard]] std::uint32_t get_value() const noexcept { return permits_.load(); }

 private:
  std::atomic<std::uint32_t> permits_;
  std::atomic<std::uint32_t> sleepers_{0};
};

class MP_API SegmentEvent {
 public:
  SegmentEvent() noexcept = default;
  SegmentEvent(const SegmentEvent&) = delete;
  SegmentEvent& operator=(const SegmentEvent&) = delete;
  ~SegmentEvent() = default;

  void set() noexcept;
  void clear() noexcept { is_set_.store(0); }
  [[nodiscard]] bool is_set() const noexcept { return is_set_.load() != 0; }
  // Returns whether it is set; waits for that until `until`.
  bool wait(Deadline until = Deadline::never()) const noexcept;

 private:
  std::atomic<std::uint32_t> is_set_{0};
};

}  // namespace mp
