// SPDX-License-Identifier: Apache-2.0
// os/clone.hpp — a copy of a single-threaded process, as its child or as its sibling.
//
// fork() makes children only. A zygote wants its copies to be children of *its* parent, who then
// waits for them and gets their exit status as for any child (CLONE_PARENT), and it wants their
// pidfd from the same call.
//
// Expects: the caller has one thread. This goes past libc, which therefore does not repair the
//          locks that other threads held. A process with threads calls fork().
// Fork:    the hooks of os/fork_hook.hpp run as around fork(); pthread_atfork's others do not.
//          libc's idea of the thread's id and the robust list are put right in the child.
// Throws:  OsError (EAGAIN, ENOMEM); ENOTSUP if libc hides the thread's id or its robust list.
#pragma once

#include <cstdint>

#include "os/spawn.hpp"

namespace mp::os {

enum class Relation : std::uint8_t { child, sibling };

// Returns the new process, with its pidfd where the kernel gives one; `pid` is 0 in that process.
[[nodiscard]] Child clone_process(Relation relation);

// fork() itself, which a process with threads may call. Returns as above.
[[nodiscard]] Child fork_process();

}  // namespace mp::os
