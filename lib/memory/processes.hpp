// SPDX-License-Identifier: Apache-2.0
// memory/processes.hpp — the table of the processes of a tree.
//
// References, permits and pipe ends are counted per process, and only the death of the process
// gives them back. An entry is claimed by one CAS; a process enters itself on its first use of
// shared state, or is entered by the parent that starts it. After a fork the child is a process of
// its own: its first use enters it.
//
// Crash: the proof of a death is a pidfd, or a pid that is gone or has another start time. Never a
//        timeout; a stopped process is alive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "memory/arena_layout.hpp"
#include "memory/tags.hpp"

namespace mp::memory {

// This process in the table; enters it at the first call after start or fork.
[[nodiscard]] ProcessId this_process();

// Enters a child before it exists, in state reserved, so that arguments can be handed to it.
[[nodiscard]] ProcessId enter_child();
// Called by the child itself, first of all: from here on this_process() is `self`. When it started
// is noted with its first thread tag; until then its pid alone stands for it, which nobody else can
// have before its parent has reaped and buried it.
void become(ProcessId self) noexcept;
// Notes when this process started, so that its pid can never be taken for another's.
void note_start_time() noexcept;
// Called by the parent when the child could not be started.
void child_not_started(ProcessId child) noexcept;

// Called by a process at its orderly end. It writes its exit code where its parent finds it even
// when the status was taken by somebody else's waitpid.
void set_exit_code(int code) noexcept;
// The code that `process` wrote, if it did.
[[nodiscard]] bool exit_code_of(ProcessId process, int& code) noexcept;

// Whether `process` can never run again. A look at /proc; not for hot paths.
[[nodiscard]] bool is_dead(ProcessId process) noexcept;
// Whether `process` has run its last instruction but is not dead yet: what it held can be judged,
// but the kernel may still write to its leases, so it must not be buried.
[[nodiscard]] bool is_ending(ProcessId process) noexcept;
[[nodiscard]] int pid_of(ProcessId process) noexcept;

void set_process_name(ProcessId process, std::string_view name) noexcept;
// The name it was given, at most 63 bytes of it; "" if none or if the process is buried.
[[nodiscard]] std::string process_name(ProcessId process);

// Tells the tree that `process` is dead (the caller has proof): marks it, sweeps what it left
// behind, frees its entry and wakes every sleeper of the tree. Safe to call twice, from several
// processes at once, and to be killed in.
void bury(ProcessId process);
// Looks for processes that died without anybody noticing, and buries them, at most so many. Returns
// how many.
int bury_the_dead(std::uint32_t most = kMaxProcesses);

}  // namespace mp::memory
