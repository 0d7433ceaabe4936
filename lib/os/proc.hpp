// SPDX-License-Identifier: Apache-2.0
// os/proc.hpp — who this process is, and whether another one still lives.
//
// A process is known by its pid together with its start time: pids are used again, the pair is
// not. Both come from /proc; where that is not mounted or hides other users' processes, a process
// counts as alive as long as its pid exists.
//
// Threads: everything may be called from any thread.
// Fork:    nothing is remembered that a fork would make wrong.
// Throws:  OsError where the result cannot be had; what is noexcept allocates nothing and may be
//          called in a child of a process with threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mp::os {

[[nodiscard]] int pid() noexcept;
[[nodiscard]] int parent_pid() noexcept;
[[nodiscard]] int thread_id() noexcept;

// What a line of /proc/PID/stat says.
struct ProcStat {
  char state;                // R S D Z X T t ...
  int parent;                // pid of the parent
  std::uint64_t flags;       // of the main thread, the kernel's PF_ bits
  std::int64_t threads;      // threads that are not gone yet
  std::uint64_t start_time;  // in clock ticks since boot
  std::uint64_t image;       // where its stack begins: chosen anew by each exec; 0 if not shown
};

// Reads one line of /proc/PID/stat. The command name in it may hold anything, spaces, parentheses
// and line ends included. Nothing if the line is no such line.
[[nodiscard]] std::optional<ProcStat> parse_proc_stat(std::string_view line) noexcept;

// The line of process `pid`; nothing if there is no such process or /proc does not show it.
[[nodiscard]] std::optional<ProcStat> proc_stat(int pid) noexcept;

// When process `pid` started, in clock ticks since boot; 0 if it is gone or cannot be seen.
[[nodiscard]] std::uint64_t start_time(int pid) noexcept;

// Whether the process that started at `start_time` with that pid will never run again. A
// `start_time` of 0 means any. A process whose main thread ended while others run is not gone.
[[nodiscard]] bool is_zombie_or_gone(int pid, std::uint64_t start_time) noexcept;

// Whether the process that started at `start_time` with that pid has run its last instruction,
// though the kernel may still be taking it apart: its only thread is on its way out. True some
// hundred microseconds before is_zombie_or_gone.
[[nodiscard]] bool is_ending(int pid, std::uint64_t start_time) noexcept;

// How many bytes of memory of its own process `pid` has resident: not those of files and of shared
// mappings. 0 if that cannot be seen.
[[nodiscard]] std::uint64_t resident_bytes(int pid) noexcept;

// How many CPUs this process may use.
[[nodiscard]] int cpu_count();
// The CPU this thread runs on, at this moment; no system call where libc registered
// rseq.
[[nodiscard]] int current_cpu() noexcept;

// The file this process runs, as the kernel knows it.
[[nodiscard]] std::string executable_path();
// The command line, argv[0] first.
[[nodiscard]] std::vector<std::string> command_line();

// The calling thread's name, as ps and debuggers show it (at most 15 bytes are kept).
[[nodiscard]] std::string thread_name();
void set_thread_name(std::string_view name) noexcept;

// Whether this process runs with more rights than its user (set-user-id, file capabilities).
[[nodiscard]] bool secure_mode() noexcept;

// The whole environment, as NAME=value.
[[nodiscard]] std::vector<std::string> environment();
// An environment variable; nothing if it is not set.
[[nodiscard]] std::optional<std::string> env(const char* name);
// The same, but nothing in secure mode: an MP_* variable must not steer a privileged process.
[[nodiscard]] std::optional<std::string> trusted_env(const char* name);

}  // namespace mp::os
