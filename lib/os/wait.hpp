// SPDX-License-Identifier: Apache-2.0
// os/wait.hpp — waiting for a child, and how it ended.
//
// Threads: two threads that wait for one child must take turns: one gets the status, the other
//          finds no child, and is told `unknown` unless the kernel keeps exit statuses.
// Blocks:  until the child has ended or the deadline. With a pidfd the thread sleeps; without one
//          a bounded wait looks again after 0.1 ms, 0.2 ms ... and at most every 10 ms, because
//          the kernel has no waitid with a timeout.
// Throws:  OsError.
#pragma once

#include <cstdint>

#include "mp/base/deadline.hpp"

namespace mp::os {

struct Exit {
  enum class State : std::uint8_t {
    running,  // it has not ended before the deadline
    exited,   // it ended; `status` says how, and it is reaped
    unknown,  // it ended, but somebody else has taken its status
  };
  State state;
  int status = 0;  // n after exit(n), -s after signal s
  // What it had used, with the children that it had waited for; 0 when unknown.
  double user_seconds = 0;
  double system_seconds = 0;
  std::uint64_t most_resident = 0;  // bytes

  // Whether it is the same end.
  friend bool operator==(const Exit& a, const Exit& b) {
    return a.state == b.state && a.status == b.status;
  }
};

// Waits for the child `pid`, whose descriptor is `pidfd` or -1, and reaps it. Deadline::now() asks
// without waiting.
[[nodiscard]] Exit wait_child(int pid, int pidfd, Deadline until);

}  // namespace mp::os
