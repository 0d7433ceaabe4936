// SPDX-License-Identifier: Apache-2.0
// os/spawn.hpp — starting a program, without a copy of this process in between.
//
// posix_spawn, not fork and exec: its price does not grow with the memory of this process, and
// none of its threads' locks are copied.
//
// Threads: may be called from any thread, with any number of others running.
// Owns:    the child is the caller's to wait for.
// Throws:  OsError (ENOENT, EAGAIN, ENOMEM, EMFILE).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "os/fd.hpp"
#include "os/signal.hpp"

namespace mp::os {

// The descriptor `from` of this process shall be `to` in the child. It may appear under several
// numbers, and `to` may equal `from`.
struct FdMapping {
  int from;
  int to;
};

struct SpawnOptions {
  std::string path = "/proc/self/exe";  // this program, even if its file was renamed or replaced
  std::vector<std::string> arguments = {};  // argv, argv[0] first
  // The environment as NAME=value; this process's own if there is none.
  std::optional<std::vector<std::string>> environment = {};
  // All that the child has besides 0, 1 and 2: what else is open here is closed there, also what
  // others opened without close-on-exec.
  std::vector<FdMapping> fds = {};
  std::optional<SignalSet> mask = {};  // the caller's mask if there is none
  SignalSet defaults = 0;              // signals that must not be ignored in the child
};

// A child: its pid, and its pidfd where the kernel gives one.
struct Child {
  int pid = -1;
  Fd pidfd = {};
};

[[nodiscard]] Child spawn(const SpawnOptions& options);

}  // namespace mp::os
