// SPDX-License-Identifier: Apache-2.0
// memory/names.hpp — who made which named shared memory, and who removes it.
//
// A name in /dev/shm outlives its makers, so a tree keeps a register of the names it made. The
// register is a small named file that every process which makes names holds locked, and so does one
// tracker process of the tree. When the tree is gone the tracker removes what is left. Should the
// tracker have been killed too, the lock of the register is free, which proves that nobody is left,
// and sweep_dead_trees() of any program of the same user removes the names and the register.
//
//     const NameTicket ticket = register_name(name, kind);   // before the file exists
//     ... make it, look which file it is ...
//     name_made(ticket, file);                                // now it can be told from another
//
// A file is removed only if it is the very file that was registered: the same device and inode; one
// of which only the name is known, because its maker was killed in between, only if it is empty.
//
// Threads:   any.
// Processes: all of a tree share one register.
// Crash:     each step is one store; a process killed between them leaves an entry that the sweep
//            understands.
// Throws:    OsError, OutOfMemory (the register is full).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "memory/names_layout.hpp"
#include "os/shm.hpp"

namespace mp::memory {

using layout::NameKind;

struct NameTicket {
  std::uint32_t index = 0;
  bool valid = false;
};

// Enters a name of at most kLongestName bytes.
[[nodiscard]] NameTicket register_name(const std::string& name, NameKind kind);
void name_made(NameTicket ticket, const os::FileIdentity& file) noexcept;
// Enters a file that has its name already, unless it is entered.
void register_file(const std::string& name, NameKind kind, const os::FileIdentity& file);
// Starts the tree's tracker if there is none, and a name is entered. Returns why that failed, or
// nothing. Looks only now and then, as it is called for every name.
[[nodiscard]] std::string ensure_tracker();
// The name is gone, or was never made.
void forget_name(NameTicket ticket) noexcept;
// The same by the file, for a process that did not make it.
void forget_file(const os::FileIdentity& file) noexcept;

// Removes what trees have left that are gone and whose tracker was killed. Returns how many files.
std::size_t sweep_dead_trees();

// How the tracker is started is known to a floor above: a process that will call run_tracker with
// the register and the arena, each opened by it anew. It returns once the tracker is at work, or
// says why it is not.
using TrackerStarter = std::string (*)(int names, int arena);
void set_tracker_starter(TrackerStarter starter) noexcept;

// The tracker. In the process that was started for it: marks itself as the tree's tracker, makes a
// child of its own that does the work, and returns. If there is a tracker already it just returns.
void run_tracker(int names, int arena);

}  // namespace mp::memory
