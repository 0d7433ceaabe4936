// SPDX-License-Identifier: Apache-2.0
// process/exit.hpp — the orderly end of a process.
//
// Finalizers by priority, then the children (daemons are terminated, the others waited for), then
// the finalizers below zero. The main process does this on its way out of main, a child instead of
// everything that exit() would do there.
#pragma once

#include <memory>
#include <vector>

#include "process/child_process.hpp"

namespace mp::process {

// Has the main process end in order. Called when the first child or Finalize is made.
void arrange_orderly_exit();

// Ends a child: everything above, flushed streams, and its code in the process table.
[[noreturn]] void end_child(int code) noexcept;
// A forked child has neither finalizers nor children of its own yet.
void forget_inherited();
// What register_after_fork was given.
void run_after_fork_hooks();

// The children of this process. A child is entered when it has been started.
void remember_child(std::shared_ptr<ChildProcess> child, bool daemon);
void forget_child(const ChildProcess& child) noexcept;

}  // namespace mp::process
