// SPDX-License-Identifier: Apache-2.0
// os/start_marker.hpp — how a re-executed child learns that it is one, and from whom.
//
// A parent that executes its own program again hands the child one end of a unix socket and one
// environment variable that names it. The child must not believe the variable: it is anybody's.
// It believes the socket, and only this one:
//
//     MP_SPAWN=<descriptor>:<nonce>          32 hexadecimal digits of nonce
//
//  * the descriptor is a unix stream socket made by the process that getppid() names, which runs
//    under our own effective user id (SO_PEERCRED, which nobody can forge);
//  * the first bytes that wait in it are the nonce, so it is the socket made for this start and not
//    another one that the same parent left open.
//
// Anything else leaves the program to run as if the variable were not there, with one exception: if
// the socket is genuine but its maker is gone, the child is an orphan whose parent died while it
// started, and running the user's program a second time is the last thing anybody wants.
//
// In a set-user-id program, or whatever else the kernel marks AT_SECURE, nothing is looked at.
#pragma once

#include <string>

#include "os/fd.hpp"

namespace mp::os {

// Both ends of the socket of one start.
struct StartChannel {
  Fd parent;
  Fd child;
  std::string variable;  // "MP_SPAWN=...", for the child's environment
};

// Makes the socket and puts the nonce into it. `child_number` is the descriptor that the child will
// find its end under. Throws OsError.
[[nodiscard]] StartChannel open_start_channel(int child_number);

struct StartMarker {
  enum class Kind {
    none,      // this process was not started as a child
    child,     // it was; `fd` is its end of the channel
    orphaned,  // it was, but its parent is gone
  };
  Kind kind = Kind::none;
  Fd fd;
};

// Looks for a marker in the environment and, when there is one, takes it: the variable is removed,
// the nonce is read, and the descriptor closes on exec from now on. A descriptor that is not
// believed is left exactly as it was. Call it while the process has one thread.
[[nodiscard]] StartMarker take_start_marker() noexcept;

// Ends the process without destructors or atexit handlers.
[[noreturn]] void exit_now(int status) noexcept;

// Returns the next definition of `name` behind this one in the search order, nullptr if none.
[[nodiscard]] void* next_symbol(const char* name) noexcept;

}  // namespace mp::os
