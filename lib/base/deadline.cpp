// SPDX-License-Identifier: Apache-2.0
#include "mp/base/deadline.hpp"

#include <algorithm>

namespace mp {

namespace {

std::int64_t now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             Deadline::Clock::now().time_since_epoch())
      .count();
}

}  // namespace

bool Deadline::passed() const noexcept {
  return ns_ != kNever && (ns_ == 0 || now_ns() >= ns_);
}

std::chrono::nanoseconds Deadline::remaining() const noexcept {
  if (ns_ == kNever) {
    return std::chrono::nanoseconds::max();
  }
  return std::chrono::nanoseconds{ns_ == 0 ? 0 : std::max<std::int64_t>(0, ns_ - now_ns())};
}

Deadline Deadline::no_later_than(std::chrono::nanoseconds slice) const noexcept {
  return Deadline{std::min(ns_, after(slice))};
}

std::int64_t Deadline::after(std::chrono::nanoseconds timeout) noexcept {
  if (timeout == std::chrono::nanoseconds::max()) {
    return kNever;
  }
  return timeout.count() <= 0 ? 0 : now_ns() + timeout.count();
}

}  // namespace mp
