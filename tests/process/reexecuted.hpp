// SPDX-License-Identifier: Apache-2.0
// process/reexecuted.hpp — a program that is executed as a child of the library and runs calls.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <unistd.h>

#include "mp/base/bytes.hpp"
#include "mp/base/deadline.hpp"

#include "os/fd.hpp"
#include "os/spawn.hpp"
#include "os/start_marker.hpp"
#include "os/wait.hpp"
#include "process/bootstrap.hpp"

namespace mp::test {

// This program, executed again as a child of the library.
class Reexecuted {
 public:
  explicit Reexecuted(const std::string& path = "/proc/self/exe") {
    constexpr int kNumber = 3;
    os::StartChannel channel = os::open_start_channel(kNumber);
    os::SpawnOptions options;
    options.path = path;
    options.arguments = {"reexecuted", "--gtest_filter=*"};
    options.environment.emplace();
    for (char** variable = environ; *variable != nullptr; ++variable) {
      options.environment->emplace_back(*variable);
    }
    options.environment->push_back(channel.variable);
    options.fds = {{channel.child.get(), kNumber}};
    child_ = os::spawn(options);
    channel_ = std::move(channel.parent);
    process::send_hello(channel_.get());
  }
  ~Reexecuted() {
    if (channel_) {
      end();
    }
  }
  Reexecuted(const Reexecuted&) = delete;
  Reexecuted& operator=(const Reexecuted&) = delete;

  std::optional<Bytes> run(ByteView call) {
    process::send_frame(channel_.get(), call);
    return process::receive_frame(channel_.get());
  }
  // Closes the channel, waits, and returns the exit status (-s after signal s).
  int end() {
    channel_.reset();
    return os::wait_child(child_.pid, child_.pidfd.get(), Deadline::never()).status;
  }
  [[nodiscard]] int pid() const { return child_.pid; }

 private:
  os::Fd channel_;
  os::Child child_;
};

}  // namespace mp::test
