// SPDX-License-Identifier: Apache-2.0
// support/proc_view.hpp — what /proc says about processes, for tests that look from outside.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace mp::test {

struct ProcessView {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '\0';  // R S D T t Z X, as in /proc/<pid>/stat
  std::string name;   // the kernel's 15 characters
};

// The process as it is now; `pid` is 0 when there is none.
ProcessView view_process(pid_t pid);
// Direct children, zombies included.
std::vector<ProcessView> children_of(pid_t pid);
// Children, their children, and so on.
std::vector<ProcessView> descendants_of(pid_t pid);
// Ids of the threads of this process.
std::vector<pid_t> threads_of_self();
// Whether the main thread of `pid` sleeps in the kernel (state S), as a futex waiter does.
bool is_asleep(pid_t pid);
// The whole of a small file, "" when it cannot be read.
std::string slurp(const std::string& path);

}  // namespace mp::test
