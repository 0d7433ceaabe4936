// SPDX-License-Identifier: Apache-2.0
// mp/errors/death_report.hpp — what is known of a worker's death beside its signal or exit code.
//
// The worker itself notes its stack when a signal strikes that a fault or abort() sends; of SIGKILL
// nobody can tell more than that it came.
//
// Threads: a value.
// Blocks:  stack() and called_from() run addr2line, if it is installed; that takes tens of ms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mp/base/export.hpp"

namespace mp {

struct MP_API DeathReport {
  std::string task = {};                   // the callable that it was running
  std::uint64_t call_site = 0;             // an address of this process, in the call of the pool
  std::optional<std::uint64_t> item = {};  // of a map: which item, counted from 0
  int attempts = 1;                        // how often the task was begun
  std::uint64_t fault_address = 0;         // what SIGSEGV or SIGBUS was about; 0: unknown
  std::vector<std::uint64_t> frames =
      {};                        // its stack, innermost first, as addresses of this process
  bool out_of_memory = false;    // the kernel has killed for memory in this control group
  std::uint64_t resident = 0;    // of a MemoryExceeded: what the worker had, in bytes,
  std::uint64_t memory_cap = 0;  // and what it might have
  std::string saved_to = {};     // the file for MP_REPLAY, of a PoisonTask
  // What the process had used by its end: CPU time in seconds, and bytes resident at most. 0 when
  // somebody else has reaped it.
  double user_seconds = 0;
  double system_seconds = 0;
  std::uint64_t most_resident = 0;

  // The stack with names and lines, one frame a line; empty when there is none.
  [[nodiscard]] std::string stack() const;
  // Where the pool was called, likewise; empty when that is not known.
  [[nodiscard]] std::string called_from() const;
};

namespace detail {

// Set by whoever can name addresses.
extern MP_API std::string (*describe_frames)(const std::vector<std::uint64_t>& frames);

}  // namespace detail

}  // namespace mp
