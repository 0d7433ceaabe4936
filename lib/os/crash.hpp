// SPDX-License-Identifier: Apache-2.0
// os/crash.hpp — what a process can still say of itself when a signal kills it.
//
// A process names a note, in memory that outlives it; when SIGSEGV, SIGBUS, SIGFPE, SIGILL,
// SIGTRAP, SIGSYS or SIGABRT is about to end it, the addresses on its stack are written there. Then
// it dies of the signal as it would have without. Signals that somebody else handles are left
// alone.
//
// Threads: a crash of any thread is noted. Only the thread that asked has a stack of its own for
//          the handler, so only it can tell that its stack is full.
// Fork:    handlers are inherited; a child names its own note or writes to its parent's.
// Throws:  OsError.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mp::os {

struct CrashNote {
  static constexpr std::uint32_t kFrames = 40;
  std::atomic<std::uint32_t> signal;  // 0: there is none; written last
  std::uint32_t count;                // of frames
  std::uint64_t address;              // what it was about, si_addr
  std::uint64_t base;                 // where the main executable is mapped in that process
  std::uint64_t frames[kFrames];      // innermost first
};

// From now on a crash of this process is noted there. May be called again with another note.
void note_crashes_in(CrashNote* note);

// The frames of a note as addresses of this process. What lies in the main executable is moved to
// where that is mapped here; the rest is the same in processes that are copies of one another.
[[nodiscard]] std::vector<std::uint64_t> frames_of(const CrashNote& note);

// Names and source lines of addresses of this process, one frame a line; bare addresses where there
// is no addr2line to ask, and in a set-user-id program, which asks nobody. Slow: a process for a
// frame.
[[nodiscard]] std::string describe_frames(const std::vector<std::uint64_t>& frames);

// Writes the return addresses of the calling thread's frames there, innermost first; how many.
[[nodiscard]] std::size_t stack_here(std::span<std::uint64_t> frames) noexcept;

}  // namespace mp::os
