// SPDX-License-Identifier: Apache-2.0
// os/clock.hpp — the clock on which every Deadline counts.
#pragma once

#include <cstdint>

namespace mp::os {

// Nanoseconds on CLOCK_MONOTONIC: the same number in every process of this machine.
[[nodiscard]] std::int64_t monotonic_ns() noexcept;

}  // namespace mp::os
