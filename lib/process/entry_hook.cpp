// SPDX-License-Identifier: Apache-2.0
#include "process/entry_hook.hpp"

#include <utility>

#include "mp/process/entry.hpp"

#include "os/start_marker.hpp"
#include "process/bootstrap.hpp"

namespace mp::process {

namespace {

constinit Main real_main = nullptr;
constinit bool caught = false;
// The child's end of the channel, from the constructor below until the entry. A bare descriptor,
// because static objects with constructors do not exist yet.
constinit int channel = -1;

// Runs before the constructors of the program's own objects (of those in shared objects, before
// those that depend on mp), so that they and what they start see neither variable nor descriptor.
__attribute__((constructor(101))) void take_marker() {
  os::StartMarker marker = os::take_start_marker();
  if (marker.kind == os::StartMarker::Kind::orphaned) {
    os::exit_now(1);  // nobody is left to work for
  }
  channel = marker.fd.release();
}

// Does not return in a process that was started as a child.
void enter_if_child() {
  if (channel >= 0) {
    os::exit_now(child_main(os::Fd{std::exchange(channel, -1)}));
  }
}

int caught_main(int argc, char** argv, char** envp) {
  caught = true;
  enter_if_child();
  return real_main(argc, argv, envp);
}

}  // namespace

Main catch_main(Main real) noexcept {
  real_main = real;
  return &caught_main;
}

bool hook_linked() noexcept {
  return caught;
}

bool is_being_spawned() noexcept {
  return channel >= 0;
}

}  // namespace mp::process

namespace mp {

void init(int, char**) {
  process::enter_if_child();
  process::caught = true;
}

}  // namespace mp
