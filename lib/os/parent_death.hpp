// SPDX-License-Identifier: Apache-2.0
// os/parent_death.hpp — a child that does not outlive its parent.
//
// The kernel sends a signal when the *thread* that made the child ends, so the handler looks
// whether the parent process is still the same and ends this process only if it is not.
//
// Threads: called once, early, in the child.
// Crash:   a parent that is killed takes its children with it, whatever they are doing; a child
//          that blocks every signal goes when it unblocks them.
#pragma once

namespace mp::os {

// From now on this process ends when its parent, which has `parent_pid`, does. Ends it right away
// when the parent is gone already.
void die_with_parent(int parent_pid);

// Makes `function` the first to run when the process calls exit(); it gets the exit status.
void at_exit_first(void (*function)(int status));
// Has `function` run when the process calls exit() or returns from main.
void at_exit(void (*function)());

// Whether threads other than the caller's and the library's own run in this process.
[[nodiscard]] bool has_other_threads() noexcept;
// Tells how many threads of the library's own are about to start: they hold no lock of the user's.
class InternalThreads {
 public:
  explicit InternalThreads(unsigned count) noexcept;
};
// Each of them says so when it ends.
void internal_thread_ends() noexcept;

}  // namespace mp::os
