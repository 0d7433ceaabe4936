// SPDX-License-Identifier: Apache-2.0
// os/confine.hpp — taking rights away from this process, for good, before it runs what nobody
// trusts.
//
// Threads: called in a child with one thread; the rights are those of the process.
// Fork:    children inherit what was taken away, and cannot get it back.
// Throws:  OsError: EINVAL or ENOSYS where the kernel cannot do it. What is noexcept allocates
//          nothing.
#pragma once

#include <cstdint>
#include <span>

namespace mp::os {

// Closes every descriptor but those in `kept`, which are in ascending order.
void close_all_but(std::span<const int> kept);

// Makes the standard streams /dev/null: the input, or all three.
void standard_streams_to_null(bool output_too);

// Gives all signals their default action, and blocks none.
void forget_signal_handlers() noexcept;

// Makes `process`, or this one when 0, the leader of a process group of its own.
void lead_process_group(int process);
// Sends a signal to all of a group, atomically: none of them forks past it. Returns 0 or the error.
int signal_process_group(int leader, int signal) noexcept;

// The address space in use, in bytes; 0 where /proc does not tell.
[[nodiscard]] std::uint64_t address_space_in_use() noexcept;

// No execve gives more rights from now on (PR_SET_NO_NEW_PRIVS), and these are refused with EPERM:
// leaving the process group or the session, tracing and reading other processes, signals to
// others than this process and its group, limits of others; without `network` also sockets of all
// families (not pairs) and io_uring, which could make some.
void confine(bool network);

}  // namespace mp::os
