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
#include <optional>
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
// The name is gone, or was never made.
void forget_name(NameTicket ticket) noexcept;
// The same by the file, for a process that did not make it.
void forget_file(const os::FileIdentity& file) noexcept;

// Removes what trees have left that are gone and whose tracker was killed. Returns how many files.
std::size_t sweep_dead_trees();

// The tracker is a process that a floor above starts: with the register and the arena, as they are
// numbered in it, each opened by it anew.
struct TrackerFiles {
  int names;
  int arena;
};

// What a tracker is to be given, if the tree has none. For callers that have just registered a
// name; looks only now and then.
[[nodiscard]] std::optional<TrackerFiles> wanted_tracker();

// The tracker. In the process that was started for it: marks itself as the tree's tracker, makes a
// child of its own that does the work, and returns. If there is a tracker already it just returns.
void run_tracker(TrackerFiles inherited);

}  // namespace mp::memory
