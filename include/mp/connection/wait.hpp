// SPDX-License-Identifier: Apache-2.0
// mp/connection/wait.hpp — waiting for the first of several things.
//
//     for (const mp::Waitable& each : mp::wait({connection, queue, process}, 10s)) {
//       if (each == connection) ...
//     }
//
// What is ready stays so until somebody takes it; another thread or process may be quicker.
//
// Threads:   any number may wait for the same things.
// Crash:     the death of a peer wakes the waiter as it does a recv.
// Blocks:    until one is ready or the time is over. Things in shared memory are waited for without
//            descriptors and without help; together with descriptors by a thread of the library
//            that sleeps on their behalf.
// Throws:    UsageError: a descriptor that is not open, a connection that only sends, nothing to
//            wait for and for ever. OsError.
// Python:    multiprocessing.connection.wait. A Connection over a socket that this process closes
//            meanwhile is not noticed, as there.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/memory/waitable.hpp"

namespace mp {

// Returns those that are ready, in the order in which they were given; none at `until`.
MP_API std::vector<Waitable> wait(std::span<const Waitable> things,
                                  Deadline until = Deadline::never());
inline std::vector<Waitable> wait(std::initializer_list<Waitable> things,
                                  Deadline until = Deadline::never()) {
  return wait(std::span<const Waitable>{things.begin(), things.size()}, until);
}

}  // namespace mp
