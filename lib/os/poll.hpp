// SPDX-License-Identifier: Apache-2.0
// os/poll.hpp — waiting until descriptors are ready, and the eventfd that makes anything one.
//
// Threads: everything may be called from any thread.
// Blocks:  poll and the wait_ functions, until ready or the deadline; a signal only makes them
//          look at the clock again.
// Throws:  OsError (ENOMEM; EINVAL for more descriptors than RLIMIT_NOFILE).
#pragma once

#include <span>

#include "mp/base/deadline.hpp"

#include "os/fd.hpp"

namespace mp::os {

// What can be asked for and answered, and what is only answered.
inline constexpr short kReadable = 0x1;
inline constexpr short kWritable = 0x4;
inline constexpr short kFailed = 0x8;
inline constexpr short kHungUp = 0x10;
inline constexpr short kNotOpen = 0x20;

// The same bytes as struct pollfd. A negative `fd` is passed over.
struct PollEntry {
  int fd;
  short wanted;
  short ready = 0;
};

// Waits until at least one entry is ready, and returns how many are; 0 when the deadline passed.
int poll(std::span<PollEntry> entries, Deadline until);

// Whether `fd` became readable (a byte, the end, or an error to read) before the deadline.
[[nodiscard]] bool wait_readable(int fd, Deadline until);
[[nodiscard]] bool wait_writable(int fd, Deadline until);

// Makes a counter that is readable while it is not zero; never blocks.
[[nodiscard]] Fd eventfd();
// Makes it readable. May be called in a signal handler.
void eventfd_signal(int fd) noexcept;
// Makes it unreadable again; whether it was readable.
bool eventfd_drain(int fd) noexcept;

}  // namespace mp::os
