// SPDX-License-Identifier: Apache-2.0
#include "os/clock.hpp"

#include <ctime>

namespace mp::os {

std::int64_t monotonic_ns() noexcept {
  timespec now{};
  // Cannot fail: the clock exists on every Linux and the pointer is good.
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace mp::os
