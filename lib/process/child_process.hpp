// SPDX-License-Identifier: Apache-2.0
// process/child_process.hpp — starting processes and waiting for them: what Process and Pool share.
//
//     ChildSpec spec{.name = "PoolWorker-1", .daemon = true, .call = make_call(worker_main, id)};
//     std::shared_ptr<ChildProcess> worker = start_child(StartMethod::spawn, std::move(spec));
//     Exit how = worker->wait(until);
//
// A child is entered in the process table before it exists, its arguments travel in a message that
// holds the shared objects among them, and a pidfd proves its death. Whoever reaps it buries it:
// what it left behind is swept before wait() or exit_status() tells of its end.
//
// Threads:   all functions may be called from any thread.
// Fork:      belongs to the process that started it; elsewhere wait() throws WrongProcess.
// Throws:    StartError, with the reason, when the system refuses; OutOfMemory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/errors/death_report.hpp"
#include "mp/process/raw_call.hpp"
#include "mp/process/start_method.hpp"

#include "memory/message.hpp"
#include "memory/tags.hpp"
#include "os/fd.hpp"
#include "os/spawn.hpp"
#include "os/wait.hpp"
#include "process/keyring.hpp"

namespace mp::process {

// What a child is told about itself.
struct Identity {
  std::string name = {};
  int parent_pid = 0;  // 0 in the main process
  std::string parent_name = {};
  bool daemon = false;
  std::vector<int> path = {};  // numbers from the main process down: {1, 2} is Process-1:2
  std::string authkey = {};
  Keyring keyring = {};                          // keys of servers (keyring.hpp)
  std::optional<StartMethod> start_method = {};  // its own default for its children, when fixed
  bool ignores_interrupt = false;                // SIGINT is the parent's business (pool workers)
  int log_level = 0;
  bool log_to_stderr = false;
};

struct ChildSpec {
  std::string name = {};       // empty: Process-N
  std::vector<int> path = {};  // its numbers, when they were given out with the name
  std::optional<bool> daemon = {};
  std::optional<std::string> authkey = {};
  bool ignores_interrupt = false;
  // What the child runs: `body` under fork when there is one, the encoded `call` otherwise.
  std::function<void()> body = nullptr;
  RawCall call = {};
  std::vector<memory::BlockId> objects = {};  // what the call or body refers to
};

class ChildProcess {
 public:
  // Nobody else's status, and none left by the child itself.
  static constexpr int kUnknownStatus = 255;

  ChildProcess(std::string name, memory::ProcessId id, int pid, os::Fd pidfd,
               memory::BlockId message);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Waits for the end. Returns the status (n, or -signal) once it has ended, nothing when `until`
  // passed first.
  std::optional<int> wait(Deadline until);
  // What it had used, once wait() has told of its end.
  [[nodiscard]] DeathReport report();
  // Sends a signal, unless it has ended.
  void signal(int number);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] int pid() const noexcept { return pid_; }
  // -1 where the kernel has no pidfds.
  [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }
  [[nodiscard]] memory::ProcessId id() const noexcept { return id_; }
  // Whether this process started it (a forked child has a copy of its parent's).
  [[nodiscard]] bool is_ours() const noexcept;

 private:
  std::string name_;
  memory::ProcessId id_;
  int pid_;
  os::Fd pidfd_;
  memory::BlockId message_;  // the arguments, until the child has them
  std::uint32_t fork_generation_;
  std::mutex reaping_;
  std::optional<int> status_;
  os::Exit end_{os::Exit::State::running};
};

// Starts a child. Under fork: in the calling thread, with the memory as it is now.
[[nodiscard]] std::shared_ptr<ChildProcess> start_child(StartMethod method, ChildSpec spec);

// A small process without threads that makes children on request, as children of this process.
class Zygote {
 public:
  // A copy of this process as it is now (fork), but for those descriptors, or this program executed
  // anew (spawn).
  static std::unique_ptr<Zygote> fork_now(const std::string& name,
                                          std::vector<int> not_inherited = {});
  static std::unique_ptr<Zygote> spawn(const std::string& name);
  // The one behind StartMethod::forkserver; made when first asked for, and again when it died.
  static std::shared_ptr<Zygote> forkserver();
  ~Zygote();  // ends and reaps it
  Zygote(const Zygote&) = delete;
  Zygote& operator=(const Zygote&) = delete;

  // Ends the one behind forkserver until it is needed again.
  static void end_forkserver() noexcept;

  // Has a child made from `spec.call`. Throws StartError when the zygote is dead.
  [[nodiscard]] std::shared_ptr<ChildProcess> start(const ChildSpec& spec);
  [[nodiscard]] int pid() const noexcept { return process_->pid(); }
  [[nodiscard]] bool is_alive();
  // Lets it end, without waiting for that. It makes no more children.
  void dismiss() noexcept;

 private:
  Zygote(std::shared_ptr<ChildProcess> process, os::Fd channel);
  [[nodiscard]] os::Child request(memory::ProcessId child, memory::BlockId message);

  std::shared_ptr<ChildProcess> process_;
  os::Fd channel_;
  std::mutex mutex_;
  bool dismissed_ = false;
};

}  // namespace mp::process
