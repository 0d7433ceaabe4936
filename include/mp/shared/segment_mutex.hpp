// SPDX-License-Identifier: Apache-2.0
// mp/shared/segment_mutex.hpp — the lock of a Segment, and of the heap inside: closed for ever once
// somebody was killed while holding it.
//
// Threads:   recursive: a thread may take it again.
// Processes: lies in the segment, and works between programs that know nothing of each other.
// Crash:     the heap and containers that it guards cannot be repaired after a kill inside. So
// whoever
//            locks it next, waits for it, or tries ever after, gets SegmentBroken.
// Throws:    SegmentBroken.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"

namespace mp::detail {

class MP_API SegmentMutex {
 public:
  SegmentMutex();
  SegmentMutex(const SegmentMutex&) = delete;
  SegmentMutex& operator=(const SegmentMutex&) = delete;
  ~SegmentMutex() = default;

  void lock() { static_cast<void>(acquire(Deadline::never())); }
  bool try_lock() { return acquire(Deadline::now()); }
  void unlock() noexcept;
  bool acquire(Deadline until);

 private:
  alignas(8) std::array<std::byte, 40> storage_{};
  std::atomic<std::uint32_t> is_broken_{0};
};

// What Boost.Interprocess locks its heap and its index with.
struct SegmentMutexFamily {
  using mutex_type = SegmentMutex;
  using recursive_mutex_type = SegmentMutex;
};

}  // namespace mp::detail
