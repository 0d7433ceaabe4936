// SPDX-License-Identifier: Apache-2.0
// os/signal_set.hpp — a SignalSet as libc wants it; only for the sources of this folder.
#pragma once

#include <csignal>

#include "os/signal.hpp"

namespace mp::os {

[[nodiscard]] sigset_t to_sigset(SignalSet signals) noexcept;
[[nodiscard]] SignalSet from_sigset(const sigset_t& set) noexcept;

}  // namespace mp::os
