// SPDX-License-Identifier: Apache-2.0
// os/fork_hook.hpp — what is to happen around every fork.
//
// A module whose locks or caches a fork would make wrong registers three functions, each of which
// may be null: `prepare` runs before the fork, in the reverse order of registration, `parent` and
// `child` after it, in order. fork() runs them through pthread_atfork; who makes a child by a raw
// clone runs them itself (os/clone.hpp does).
//
// Threads: at_fork may be called at any time; a fork that is under way does not see the new entry.
// Fork:    this is what it is about. `child` runs in the only thread of the new process, which may
//          be a copy of a process with many: nothing in it may take a lock that `prepare` did not.
// Throws:  at_fork: OsError for want of memory, UsageError when the table is full.
#pragma once

namespace mp::os {

using ForkHook = void (*)();

// How many registrations there is room for.
inline constexpr int kMaxForkHooks = 32;

void at_fork(ForkHook prepare, ForkHook parent, ForkHook child);

// For children made by a raw clone: one before it, one of the other two after it.
void run_prepare_hooks() noexcept;
void run_parent_hooks() noexcept;
void run_child_hooks() noexcept;

}  // namespace mp::os
