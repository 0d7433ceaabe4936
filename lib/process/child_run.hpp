// SPDX-License-Identifier: Apache-2.0
// process/child_run.hpp — the life of a child, from its first instruction to its exit status.
//
// Threads: called once in a child, in its first thread; does not return.
#pragma once

#include <functional>
#include <memory>

#include "process/child_process.hpp"
#include "process/identity.hpp"

namespace mp::process {

// Where a child came from, which decides what it has to shed.
enum class Origin : std::uint8_t {
  copy,      // of a process of the tree, by fork or clone: has its memory and stream buffers
  executed,  // this program, executed anew
};

// A child under fork: takes over the objects of `message` (0: none), then runs `body`.
[[noreturn]] void run_forked(memory::ProcessId self, memory::BlockId message,
                             std::unique_ptr<const KeptIdentity> identity,
                             const std::function<void()>& body) noexcept;

// A child whose identity and call are in `message`.
[[noreturn]] void run_message(memory::ProcessId self, memory::BlockId message,
                              Origin origin) noexcept;

// The message of a child: its identity and its call, holding `objects`.
[[nodiscard]] memory::Message make_start_message(const Identity& identity, ByteView call,
                                                 const std::vector<memory::BlockId>& objects);

}  // namespace mp::process
