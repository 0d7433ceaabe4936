// SPDX-License-Identifier: Apache-2.0
// How the tracker of named shared memory (memory/names.hpp) is started: this program, executed anew
// and caught before main, so that it holds none of our memory and descriptors. The executed process
// makes the tracker and ends; the tracker is nobody's child, and no wait() of the user meets it.
#include "process/tracker_child.hpp"

#include <string>

#include "mp/errors/error.hpp"
#include "mp/process/call.hpp"

#include "memory/names.hpp"
#include "os/proc.hpp"
#include "os/start_marker.hpp"
#include "os/wait.hpp"
#include "process/bootstrap.hpp"
#include "process/entry_hook.hpp"
#include "process/spawn_child.hpp"

namespace mp::process {

namespace {

void tracker_main() {
  memory::run_tracker(kFirstOwnNumber, kArenaNumber);
}

void execute_tracker(int names, int arena) {
  os::StartChannel channel = os::open_start_channel(kChannelNumber);
  const os::Child process =
      execute_program(channel, {{arena, kArenaNumber}, {names, kFirstOwnNumber}});
  try {
    send_hello(channel.parent.get());
    send_frame(channel.parent.get(), make_call(&tracker_main).bytes());
    (void)receive_frame(channel.parent.get());
  } catch (const Error&) {
    // It died. Whoever makes the next name tries again.
  }
  channel.parent.reset();
  (void)os::wait_child(process.pid, process.pidfd.get(), Deadline::never());
}

// Without a tracker names are removed by unlink() and cleanup() alone, so nothing here is fatal.
std::string start_tracker(int names, int arena) {
  if (!hook_linked() || is_being_spawned() || os::secure_mode()) {
    return {};
  }
  try {
    execute_tracker(names, arena);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

void offer_tracker() noexcept {
  memory::set_tracker_starter(&start_tracker);
}

}  // namespace mp::process
