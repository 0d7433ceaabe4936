// SPDX-License-Identifier: Apache-2.0
// process/spawn_child.hpp — StartMethod::spawn: this program, executed anew and caught before main.
//
// The child gets the tree's arena and its end of the start channel as descriptors, and over the
// channel one call, of spawned_child_main with its ProcessId and start message.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "os/spawn.hpp"
#include "os/start_marker.hpp"
#include "process/child_process.hpp"

namespace mp::process {

// Where a spawned child finds what it was given.
inline constexpr int kChannelNumber = 3;
inline constexpr int kArenaNumber = 4;
inline constexpr int kFirstOwnNumber = 5;  // the descriptors of `fds`, one after the other

// Starts a child that runs `spec.call`, with `fds` at kFirstOwnNumber and up.
[[nodiscard]] std::shared_ptr<ChildProcess> spawn_child(const ChildSpec& spec,
                                                        std::span<const int> fds);
// Only the process.
[[nodiscard]] os::Child execute_self(memory::ProcessId child, memory::BlockId message,
                                     std::span<const int> fds);
// This program anew, with its end of `channel` at kChannelNumber and `fds`.
[[nodiscard]] os::Child execute_program(os::StartChannel& channel, std::vector<os::FdMapping> fds);

}  // namespace mp::process
