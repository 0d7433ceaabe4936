// SPDX-License-Identifier: Apache-2.0
// mp/process/start_method.hpp — how a new process comes to be.
//
// | method     | the child is                    | what it sees of its parent                |
// |------------|---------------------------------|-------------------------------------------|
// | fork       | a copy of the calling process   | everything, as it was at start()          |
// | forkserver | a copy of a small, idle process | shared objects and arguments only; starts |
// |            | that runs this program          | in 0.2 ms whatever the parent's size      |
// | spawn      | this program, executed anew     | shared objects and arguments only         |
//
// fork copies one thread: a lock that another thread holds at that moment stays locked in the
// child. mp warns once through its logger when a process with several threads forks. The children
// of forkserver and spawn are caught before main, after static objects were constructed.
//
// The method is taken from the options of the Process or Pool; without one, from
// set_start_method; without that, from MP_START_METHOD; and it is fork otherwise.
//
// Threads: all functions may be called from any thread.
// Python:  multiprocessing.set_start_method and friends.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "mp/base/export.hpp"

namespace mp {

enum class StartMethod : std::uint8_t { fork, forkserver, spawn };

// Returns "fork", "forkserver" or "spawn".
[[nodiscard]] MP_API std::string_view to_string(StartMethod method) noexcept;

// Fixes the method of processes whose options name none. Throws UsageError when one was fixed
// before, by this function or by asking for it, unless `force`.
MP_API void set_start_method(StartMethod method, bool force = false);
// Returns the method, and fixes it. Throws UsageError when MP_START_METHOD is set to something
// else than a method.
[[nodiscard]] MP_API StartMethod get_start_method();
// Returns the method if it was fixed.
[[nodiscard]] MP_API std::optional<StartMethod> fixed_start_method() noexcept;
// Returns all methods, the default first.
[[nodiscard]] MP_API std::vector<StartMethod> get_all_start_methods();

}  // namespace mp
