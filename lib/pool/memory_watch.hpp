// SPDX-License-Identifier: Apache-2.0
// pool/memory_watch.hpp — when to look at how much memory workers have, and what to make of it.
//
// Threads: the caller holds the executor's lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "mp/base/deadline.hpp"
#include "mp/pool/resources.hpp"

namespace mp::pool {

class MemoryWatch {
 public:
  enum class Finding : std::uint8_t { fine, above_soft, above_hard };

  explicit MemoryWatch(MemoryCaps caps) noexcept : caps_{caps} {}

  [[nodiscard]] bool is_on() const noexcept { return caps_.soft != 0 || caps_.hard != 0; }
  [[nodiscard]] std::uint64_t hard() const noexcept { return caps_.hard; }
  [[nodiscard]] Deadline next() const noexcept { return next_; }

  // Something runs: there will be a look. Returns whether that was news.
  bool wake() noexcept {
    if (!is_on() || !next_.is_never()) {
      return false;
    }
    next_ = Deadline{kShortest};
    return true;
  }
  // Between these two lie the findings of one look at all workers. `goes_on`: something runs, or
  // has run since the last look.
  void begin() noexcept { pause_ = kLongest; }
  Finding judge(std::uint64_t resident) noexcept {
    if (caps_.hard != 0 && resident > caps_.hard) {
      return Finding::above_hard;
    }
    if (caps_.hard != 0) {
      pause_ = std::min(pause_, time_to_fill(caps_.hard - resident));
    }
    if (caps_.soft != 0 && resident > caps_.soft) {
      return Finding::above_soft;
    }
    if (caps_.soft != 0) {
      pause_ = std::min(pause_, std::max(kShortestForSoft, time_to_fill(caps_.soft - resident)));
    }
    return Finding::fine;
  }
  void end(bool goes_on) noexcept {
    next_ = goes_on ? Deadline{std::max(pause_, kShortest)} : Deadline::never();
  }

 private:
  using Pause = std::chrono::nanoseconds;
  static constexpr Pause kShortest = std::chrono::milliseconds{2};
  static constexpr Pause kShortestForSoft = std::chrono::milliseconds{20};
  static constexpr Pause kLongest = std::chrono::seconds{1};

  // The least time that fresh pages of so many bytes take: the kernel clears 4 in a nanosecond.
  static Pause time_to_fill(std::uint64_t bytes) noexcept {
    return Pause{static_cast<std::int64_t>(bytes / 4)};
  }

  MemoryCaps caps_;
  Deadline next_ = Deadline::never();
  Pause pause_{};
};

}  // namespace mp::pool
