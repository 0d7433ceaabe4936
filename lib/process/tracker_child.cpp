// SPDX-License-Identifier: Apache-2.0
// How the tracker of named shared memory (memory/names.hpp) is started: this program, executed anew
// and caught before main, so that it holds none of our memory and descriptors. The executed process
// makes the tracker and ends; the tracker is nobody's child, and no wait() of the user meets it.
#include "process/tracker_child.hpp"

#include <string>

#include "mp/errors/error.hpp"
#include "mp/log.hpp"
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
  memory::run_tracker({.names = kFirstOwnNumber, .arena = kArenaNumber});
}

void execute_tracker(memory::TrackerFiles files) {
  os::StartChannel channel = os::open_start_channel(kChannelNumber);
  const os::Child process =
      execute_program(channel, {{files.arena, kArenaNumber}, {files.names, kFirstOwnNumber}});
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

}  // namespace

// A program that is not caught before main would be executed as itself and be no tracker.
void ensure_tracker() {
  const auto wanted = memory::wanted_tracker();
  if (!wanted || !hook_linked() || is_being_spawned() || os::secure_mode()) {
    return;
  }
  try {
    execute_tracker(*wanted);
  } catch (const Error& error) {
    get_logger().warning(std::string{"no tracker of named shared memory: "} + error.what());
  }
}

}  // namespace mp::process
