// SPDX-License-Identifier: Apache-2.0
// process/process_state.hpp — what stands behind the handles of one process.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "mp/process/process.hpp"

#include "os/fd.hpp"
#include "process/child_process.hpp"

namespace mp::detail {

class ProcessState {
 public:
  // A child that has not been started.
  ProcessState(ProcessOptions options, std::unique_ptr<Target> target);
  // The parent of this process.
  ProcessState(int parent_pid, std::string parent_name);
  ~ProcessState();
  ProcessState(const ProcessState&) = delete;
  ProcessState& operator=(const ProcessState&) = delete;

  void start(Process& object);
  void run();
  bool join(Deadline until);
  void signal(int number);
  [[nodiscard]] std::optional<int> exitcode();
  [[nodiscard]] std::optional<int> pid();
  [[nodiscard]] Sentinel sentinel();
  void close();
  // Whether it is a child of this process that runs; reaps one that has ended.
  [[nodiscard]] bool is_running_child();
  // What the destructor of a Process does: terminates a daemon, then joins. noexcept in effect.
  void end();

  [[nodiscard]] std::string name();
  [[nodiscard]] bool daemon();
  [[nodiscard]] std::string authkey();
  void set_name(std::string name);
  void set_daemon(bool daemon);
  void set_authkey(std::string key);

 private:
  void expect_open();
  void expect_not_started();
  std::shared_ptr<process::ChildProcess> child();
  std::shared_ptr<process::ChildProcess> expect_child();

  std::mutex mutex_;  // guards what follows; never held while waiting or starting
  std::unique_ptr<Target> target_;
  std::shared_ptr<process::ChildProcess> child_;
  os::Fd parent_pidfd_;
  int parent_pid_ = 0;
  std::string name_;
  std::vector<int> path_;
  bool daemon_ = false;
  std::optional<std::string> authkey_;
  std::optional<StartMethod> method_;
  std::uint32_t maker_;  // the fork generation that made it
  bool starting_ = false;
  bool closed_ = false;
};

// The states of the children that run; those that have ended are reaped and left out.
[[nodiscard]] std::vector<std::shared_ptr<ProcessState>> running_children();

}  // namespace mp::detail
