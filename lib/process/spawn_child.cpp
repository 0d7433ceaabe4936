// SPDX-License-Identifier: Apache-2.0
#include "process/spawn_child.hpp"

#include "mp/errors/error.hpp"
#include "mp/process/call.hpp"

#include "memory/arena.hpp"
#include "os/proc.hpp"
#include "os/start_marker.hpp"
#include "process/bootstrap.hpp"
#include "process/child_run.hpp"
#include "process/entry_hook.hpp"

namespace mp::process {

namespace {

// The first thing that runs in a spawned child.
void spawned_child_main(memory::ProcessId self, memory::BlockId message) {
  memory::Arena::attach(kArenaNumber);
  run_message(self, message, Origin::executed);
}

}  // namespace

os::Child execute_program(os::StartChannel& channel, std::vector<os::FdMapping> fds) {
  os::SpawnOptions options;
  options.arguments = os::command_line();
  options.environment = os::environment();
  options.environment->push_back(channel.variable);
  options.fds = std::move(fds);
  options.fds.push_back({channel.child.get(), kChannelNumber});
  os::Child process = os::spawn(options);
  channel.child.reset();
  return process;
}

os::Child execute_self(memory::ProcessId child, memory::BlockId message, std::span<const int> fds) {
  if (is_being_spawned()) {
    throw StartError{
        "a process cannot be started while the static objects of a spawned process are built"};
  }
  if (!hook_linked()) {
    throw StartError{
        "this program cannot be caught before main: link mp by CMake or pkg-config, or call "
        "mp::init(argc, argv) first in main; or use StartMethod::fork"};
  }
  os::StartChannel channel = os::open_start_channel(kChannelNumber);
  std::vector<os::FdMapping> given{{memory::Arena::get().fd(), kArenaNumber}};
  int number = kFirstOwnNumber;
  for (const int fd : fds) {
    given.push_back({fd, number++});
  }
  os::Child process = execute_program(channel, std::move(given));
  try {
    send_hello(channel.parent.get());
    send_frame(channel.parent.get(), make_call(&spawned_child_main, child, message).bytes());
  } catch (const OsError&) {
    // It died already; its exit status will say so.
  }
  return process;
}

}  // namespace mp::process
