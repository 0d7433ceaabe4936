// SPDX-License-Identifier: Apache-2.0
#include "process/child_process.hpp"

#include <array>
#include <atomic>
#include <span>
#include <utility>

#include "mp/errors/error.hpp"
#include "mp/log.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/process/call.hpp"

#include "memory/processes.hpp"
#include "os/clone.hpp"
#include "os/parent_death.hpp"
#include "os/pidfd.hpp"
#include "os/poll.hpp"
#include "os/proc.hpp"
#include "os/signal.hpp"
#include "os/stdio.hpp"
#include "process/child_run.hpp"
#include "process/fork_child.hpp"
#include "process/identity.hpp"
#include "process/spawn_child.hpp"

namespace mp::process {

ChildProcess::ChildProcess(std::string name, memory::ProcessId id, int pid, os::Fd pidfd,
                           memory::BlockId message)
    : name_{std::move(name)},
      id_{id},
      pid_{pid},
      pidfd_{std::move(pidfd)},
      message_{message},
      fork_generation_{mp::detail::fork_generation} {}

ChildProcess::~ChildProcess() = default;

bool ChildProcess::is_ours() const noexcept {
  return fork_generation_ == mp::detail::fork_generation;
}

std::optional<int> ChildProcess::wait(Deadline until) {
  if (!is_ours()) {
    throw WrongProcess{"only the process that started a child can wait for it"};
  }
  // With a pidfd any number of threads wait here; the status is taken by one of them below.
  if (pidfd_ && !os::wait_readable(pidfd_.get(), until)) {
    return std::nullopt;
  }
  const std::lock_guard hold{reaping_};
  if (status_) {
    return status_;
  }
  const os::Exit exit = os::wait_child(pid_, pidfd_.get(), pidfd_ ? Deadline::now() : until);
  if (exit.state == os::Exit::State::running) {
    return std::nullopt;
  }
  int status = exit.status;
  if (exit.state == os::Exit::State::unknown) {
    if (const auto kept = pidfd_ ? os::exit_info(pidfd_.get()) : std::nullopt) {
      status = *kept;
    } else if (!memory::exit_code_of(id_, status)) {
      status = kUnknownStatus;
    }
  }
  // First what it left behind, then the news of its death.
  memory::free_message(message_);
  memory::bury(id_);
  status_ = status;
  end_ = exit;
  return status_;
}

DeathReport ChildProcess::report() {
  const std::lock_guard hold{reaping_};
  DeathReport report;
  report.user_seconds = end_.user_seconds;
  report.system_seconds = end_.system_seconds;
  report.most_resident = end_.most_resident;
  return report;
}

void ChildProcess::signal(int number) {
  const std::lock_guard hold{reaping_};
  if (status_) {
    return;
  }
  // Not reaped, so the pid is still its own.
  const int error = os::send_signal(pidfd_.get(), pid_, 0, number);
  if (error != 0 && error != os::kNoSuchProcess) {
    throw OsError{error, "kill", name_};
  }
}

namespace {

// A child of several threads' parent may find a lock taken for ever.
void warn_of_threads() {
  static std::atomic<bool> warned = false;
  if (!warned.load(std::memory_order_relaxed) && os::has_other_threads() &&
      !warned.exchange(true)) {
    get_logger().warning(
        "this process forks while it has several threads; a lock that one of them holds now stays "
        "locked in the child. StartMethod::forkserver and spawn have no such trouble.");
  }
}

// Undoes an entry in the process table unless the child came to be.
class Entered {
 public:
  Entered() : id_{memory::enter_child()} {}
  ~Entered() {
    if (id_ != 0) {
      memory::child_not_started(id_);
    }
  }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  [[nodiscard]] memory::ProcessId id() const noexcept { return id_; }
  memory::ProcessId keep() noexcept { return std::exchange(id_, 0); }

 private:
  memory::ProcessId id_;
};

std::shared_ptr<ChildProcess> born(const Identity& identity, Entered& entered, os::Child child,
                                   memory::Message& message) {
  memory::set_process_name(entered.id(), identity.name);
  memory::set_process_name(memory::this_process(), identity.parent_name);
  return std::make_shared<ChildProcess>(identity.name, entered.keep(), child.pid,
                                        std::move(child.pidfd), message.release());
}

}  // namespace

[[gnu::hot]] std::shared_ptr<ChildProcess> fork_child(ChildSpec spec) {
  warn_of_threads();
  Entered entered;
  std::unique_ptr<const KeptIdentity> kept = keep(child_identity(spec));
  const Identity& identity = kept->identity;
  memory::Message message;
  if (!spec.body) {
    message = make_start_message(identity, spec.call.bytes(), spec.objects);
  } else if (!spec.objects.empty()) {
    message = memory::Message{0, spec.objects};
  }
  os::flush_output();
  os::Child child;
  {
    // A signal that arrives between the fork and the child's settling would find handlers of a
    // process that it is no longer.
    const os::SignalBlock block;
    child = os::fork_process();
    if (child.pid == 0) {
      os::set_signal_mask(block.before());
      if (spec.body) {
        run_forked(entered.id(), message.id(), std::move(kept), spec.body);
      }
      run_message(entered.id(), message.id(), Origin::copy);
    }
  }
  return born(identity, entered, std::move(child), message);
}

std::shared_ptr<ChildProcess> spawn_child(const ChildSpec& spec, std::span<const int> fds) {
  Entered entered;
  const Identity identity = child_identity(spec);
  memory::Message message = make_start_message(identity, spec.call.bytes(), spec.objects);
  os::flush_output();
  os::Child child = execute_self(entered.id(), message.id(), fds);
  return born(identity, entered, std::move(child), message);
}

std::shared_ptr<ChildProcess> Zygote::start(const ChildSpec& spec) {
  Entered entered;
  const Identity identity = child_identity(spec);
  memory::Message message = make_start_message(identity, spec.call.bytes(), spec.objects);
  os::flush_output();
  os::Child child = request(entered.id(), message.id());
  return born(identity, entered, std::move(child), message);
}

namespace {

std::shared_ptr<ChildProcess> start_by_forkserver(const ChildSpec& spec) {
  try {
    return Zygote::forkserver()->start(spec);
  } catch (const StartError&) {
    // It was killed after we had looked whether it lives. Should it have made the child before,
    // that one finds its start message gone, and ends.
    Zygote::end_forkserver();
  }
  return Zygote::forkserver()->start(spec);
}

}  // namespace

std::shared_ptr<ChildProcess> start_child(StartMethod method, ChildSpec spec) {
  try {
    switch (method) {
      case StartMethod::fork:
        return fork_child(std::move(spec));
      case StartMethod::spawn:
        return spawn_child(spec, {});
      case StartMethod::forkserver:
        return start_by_forkserver(spec);
    }
  } catch (const OsError& error) {
    throw StartError{std::string{"a process could not be started: "} + error.what()};
  }
  throw UsageError{"there is no such start method"};
}

}  // namespace mp::process
