// SPDX-License-Identifier: Apache-2.0
// mp/errors/death_report.hpp — what is known of a worker's death beside its signal or exit code.
//
// The worker itself notes its stack when a signal strikes that a fault or abort() sends; of SIGKILL
// nobody can tell more than that it came.
//
// Threads: a value.
// Blocks:  stack() runs addr2line, if it is installed; that takes tens of milliseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mp/base/export.hpp"

namespace mp {

struct MP_API DeathReport {
  std::string task = {};                   // the callable that it was running
  std::optional<std::uint64_t> item = {};  // of a map: which item, counted from 0
  int attempts = 1;                        // how often the task was begun
  std::uint64_t fault_address = 0;         // what SIGSEGV or SIGBUS was about; 0: unknown
  std::vector<std::uint64_t> frames =
      {};                      // its stack, innermost first, as addresses of this process
  bool out_of_memory = false;  // the kernel has killed for memory in this control group
  std::uint64_t resident = 0;  // of a MemoryExceeded: what the worker had, in bytes,
  std::uint64_t memory_cap = 0;  // and what it might have
  std::string saved_to = {};   // the file for MP_REPLAY, of a PoisonTask

  // The stack with names and lines, one frame a line; empty when there is none.
  [[nodiscard]] std::string stack() const;
};

namespace detail {

// Set by whoever can name addresses.
extern MP_API std::string (*describe_frames)(const std::vector<std::uint64_t>& frames);

}  // namespace detail

}  // namespace mp
