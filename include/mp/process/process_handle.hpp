// SPDX-License-Identifier: Apache-2.0
// mp/process/process_handle.hpp — a reference to a process: this one, its parent, or a child.
//
// Threads:   all members may be called from any thread, also on the same process.
// Processes: usable in the process that made it. Cannot be sent.
// Fork:      a child inherits handles of its siblings; asking them to join or for an exit code
//            throws WrongProcess.
// Owns:      a share in what is known of the process. The last handle of a child that ended lets go
//            of its descriptor.
// Throws:    OsError where the kernel refuses a signal.
// Python:    multiprocessing.Process, what parent_process() and active_children() return.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/memory/waitable.hpp"

namespace mp {

namespace detail {

class ProcessState;

}  // namespace detail

// A descriptor that is readable once a process is dead. Good as long as a handle of the process is.
class Sentinel {
 public:
  explicit Sentinel(int fd) noexcept : fd_{fd} {}
  [[nodiscard]] int fileno() const noexcept { return fd_; }
  // For mp::wait.
  [[nodiscard]] Waitable waitable() const noexcept { return Waitable{fd_}; }
  friend bool operator==(const Sentinel&, const Sentinel&) = default;

 private:
  int fd_;
};

class MP_API ProcessHandle {
 public:
  explicit ProcessHandle(std::shared_ptr<detail::ProcessState> state) noexcept;
  ProcessHandle(const ProcessHandle&) noexcept;
  ProcessHandle(ProcessHandle&&) noexcept;
  ProcessHandle& operator=(const ProcessHandle&) noexcept;
  ProcessHandle& operator=(ProcessHandle&&) noexcept;
  virtual ~ProcessHandle();

  // Waits until the process has ended. Expects: a started child, or the parent.
  void join() const;
  // The same, at most `until`; returns whether it has ended. Zero and negative only look.
  bool join(Deadline until) const;

  // Asks the process to end (SIGTERM), interrupts it (SIGINT), ends it (SIGKILL). Nothing happens
  // when it has ended already. Expects: a started child.
  void terminate() const;
  void interrupt() const;
  void kill() const;

  [[nodiscard]] bool is_alive() const;
  // Returns how a child ended: n after exit(n), 1 after an uncaught exception, -s after signal s,
  // 255 when somebody else took its status and it left none; nothing before it was started and
  // while it runs.
  [[nodiscard]] std::optional<int> exitcode() const;
  // Returns its pid; nothing before it was started.
  [[nodiscard]] std::optional<int> pid() const;
  // Returns what becomes readable at its end. Expects: started. Throws OsError (ENOSYS) where the
  // kernel has no pidfds.
  [[nodiscard]] Sentinel sentinel() const;
  // For mp::wait: ready when the process has ended.
  [[nodiscard]] Waitable waitable() const { return sentinel().waitable(); }

  [[nodiscard]] std::string name() const;
  [[nodiscard]] bool daemon() const;
  // The key by which processes of one tree know each other; inherited, 32 random bytes at first.
  [[nodiscard]] std::string authkey() const;

  friend bool operator==(const ProcessHandle& a, const ProcessHandle& b) noexcept {
    return a.state_ == b.state_;
  }

 protected:
  std::shared_ptr<detail::ProcessState> state_;
};

}  // namespace mp
