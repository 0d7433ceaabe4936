// SPDX-License-Identifier: Apache-2.0
// os/pidfd.hpp — descriptors of processes: signals without the race of a reused pid, and death as
// something that can be polled.
//
// Where the kernel has no pidfds, or a seccomp filter forbids them, a process is known by its pid
// and start time instead; the functions here do the one or the other by themselves.
//
// Threads: everything may be called from any thread.
// Throws:  pidfd_open throws OsError.
#pragma once

#include <cstdint>
#include <optional>

#include "os/fd.hpp"

namespace mp::os {

// The error of send_signal when the process is gone.
inline constexpr int kNoSuchProcess = 3;
// What is said where there are no pidfds.
inline constexpr int kNoSuchCall = 38;

// Whether pidfd_open works here.
[[nodiscard]] bool have_pidfd() noexcept;

// A descriptor of process `pid`, readable once the process is dead (all threads of it, reaped or
// not). Empty where pidfds cannot be had. Throws OsError with ESRCH if there is no such process.
[[nodiscard]] Fd pidfd_open(int pid);

// Sends `signal` (0 only asks) to the process that `pidfd` is of; if that is -1, to the one that
// has `pid` and started at `start_time` (0 for any). Returns 0 or the error: ESRCH, EPERM.
[[nodiscard]] int send_signal(int pidfd, int pid, std::uint64_t start_time, int signal) noexcept;

// How a process that was reaped, by whomever, had ended: n after exit(n), -s after signal s. For
// processes that are not our children too. Nothing if it runs, is not reaped, or the kernel
// (before 6.15) does not keep it.
[[nodiscard]] std::optional<int> exit_info(int pidfd) noexcept;

}  // namespace mp::os
