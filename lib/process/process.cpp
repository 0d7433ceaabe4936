// SPDX-License-Identifier: Apache-2.0
#include "mp/process/process.hpp"

#include <algorithm>
#include <utility>

#include "mp/errors/error.hpp"
#include "mp/memory/object_ref.hpp"

#include "memory/fork_mutex.hpp"
#include "memory/message.hpp"
#include "os/pidfd.hpp"
#include "os/poll.hpp"
#include "os/proc.hpp"
#include "os/signal.hpp"
#include "process/exit.hpp"
#include "process/identity.hpp"
#include "process/process_state.hpp"

namespace mp {

namespace detail {

Target::~Target() = default;

namespace {

[[gnu::section("mp_at_fork")]] memory::ForkMutex running_mutex{8};
std::vector<std::weak_ptr<ProcessState>>& running() {  // guarded by running_mutex
  static auto* all = new std::vector<std::weak_ptr<ProcessState>>;
  return *all;
}

}  // namespace

std::vector<std::shared_ptr<ProcessState>> running_children() {
  std::vector<std::shared_ptr<ProcessState>> candidates;
  {
    const std::lock_guard hold{running_mutex};
    std::erase_if(running(), [](const auto& one) { return one.expired(); });
    for (const auto& one : running()) {
      if (auto state = one.lock()) {
        candidates.push_back(std::move(state));
      }
    }
  }
  std::erase_if(candidates, [](const auto& one) { return !one->is_running_child(); });
  return candidates;
}

ProcessState::ProcessState(ProcessOptions options, std::unique_ptr<Target> target)
    : target_{std::move(target)},
      daemon_{options.daemon.value_or(process::identity().daemon)},
      method_{options.start},
      maker_{fork_generation} {
  process::ChildNumber number = process::next_child_number();
  path_ = std::move(number.path);
  name_ = options.name.empty() ? std::move(number.name) : std::move(options.name);
}

ProcessState::ProcessState(int parent_pid, std::string parent_name)
    : parent_pid_{parent_pid}, name_{std::move(parent_name)}, maker_{fork_generation} {
  try {
    parent_pidfd_ = os::pidfd_open(parent_pid);
  } catch (const OsError&) {
    // Gone already.
  }
}

ProcessState::~ProcessState() = default;

[[gnu::hot]] void ProcessState::expect_open() {
  if (closed_) {
    throw UsageError{"the process object is closed"};
  }
}

void ProcessState::expect_not_started() {
  expect_open();
  if (child_ != nullptr || starting_ || parent_pid_ != 0) {
    throw UsageError{"the process has already been started"};
  }
}

std::shared_ptr<process::ChildProcess> ProcessState::child() {
  const std::lock_guard hold{mutex_};
  expect_open();
  return child_;
}

std::shared_ptr<process::ChildProcess> ProcessState::expect_child() {
  auto started = child();
  if (started == nullptr) {
    throw UsageError{parent_pid_ != 0 ? "a process cannot do that to its parent"
                                      : "the process has not been started"};
  }
  return started;
}

void ProcessState::start(Process& object) {
  if (maker_ != fork_generation) {
    throw WrongProcess{"only the process that made a Process object can start it"};
  }
  if (process::identity().daemon) {
    throw UsageError{"daemonic processes are not allowed to have children"};
  }
  const StartMethod method = method_ ? *method_ : get_start_method();
  process::ChildSpec spec;
  bool keeps_target = false;
  {
    const std::lock_guard hold{mutex_};
    expect_not_started();
    spec.name = name_;
    spec.path = path_;
    spec.daemon = daemon_;
    spec.authkey = authkey_;
    memory::ObjectCollector collector;
    if (method == StartMethod::fork) {
      spec.body = [&object] { object.run(); };
      keeps_target = target_ != nullptr && !target_->collect(collector);
    } else {
      spec.call = target_ == nullptr ? RawCall{} : target_->encode(collector);
      if (!spec.call) {
        throw UsageError{target_ == nullptr
                             ? "a class that overrides run() can be started by fork only"
                             : "this callable cannot be sent to another process: it has captures "
                               "or state; bind values with mp::partial(f, values...), or use "
                               "StartMethod::fork"};
      }
    }
    spec.objects = collector.objects();
    starting_ = true;
  }
  std::shared_ptr<process::ChildProcess> started;
  try {
    started = process::start_child(method, std::move(spec));
  } catch (...) {
    const std::lock_guard hold{mutex_};
    starting_ = false;
    throw;
  }
  process::remember_child(started, daemon_);
  std::unique_ptr<Target> dropped;  // below the lock: destructors of arguments may ask us things
  const std::lock_guard hold{mutex_};
  child_ = std::move(started);
  if (!keeps_target) {
    dropped = std::move(target_);
  }
}

[[gnu::hot]] void ProcessState::run() {
  {
    const std::lock_guard hold{mutex_};
    expect_open();
  }
  if (target_ != nullptr) {
    target_->run();
  }
}

bool ProcessState::join(Deadline until) {
  if (parent_pid_ != 0) {
    if (parent_pidfd_) {
      return os::wait_readable(parent_pidfd_.get(), until);
    }
    // No pidfds here. This process ends with its parent, so there is nothing to wake up for.
    if (os::parent_pid() == parent_pid_) {
      (void)os::poll({}, until);
    }
    return os::parent_pid() != parent_pid_;
  }
  const auto started = expect_child();
  if (!started->wait(until)) {
    return false;
  }
  process::forget_child(*started);
  std::unique_ptr<Target> dropped;
  const std::lock_guard hold{mutex_};
  dropped = std::move(target_);
  return true;
}

void ProcessState::signal(int number) {
  expect_child()->signal(number);
}

std::optional<int> ProcessState::exitcode() {
  const auto started = child();
  if (started == nullptr) {
    return std::nullopt;
  }
  const std::optional<int> status = started->wait(Deadline::now());
  if (status) {
    process::forget_child(*started);
  }
  return status;
}

bool ProcessState::is_running_child() {
  std::shared_ptr<process::ChildProcess> started;
  {
    const std::lock_guard hold{mutex_};
    started = child_;
  }
  // A forked child has copies of its siblings' states.
  if (started == nullptr || !started->is_ours()) {
    return false;
  }
  if (!started->wait(Deadline::now())) {
    return true;
  }
  process::forget_child(*started);
  return false;
}

std::optional<int> ProcessState::pid() {
  if (parent_pid_ != 0) {
    return parent_pid_;
  }
  const auto started = child();
  return started == nullptr ? std::nullopt : std::optional{started->pid()};
}

Sentinel ProcessState::sentinel() {
  const int fd = parent_pid_ != 0 ? parent_pidfd_.get() : expect_child()->pidfd();
  if (fd < 0) {
    throw OsError{os::kNoSuchCall, "pidfd_open"};
  }
  return Sentinel{fd};
}

void ProcessState::close() {
  const auto started = child();
  if (started != nullptr) {
    if (!started->wait(Deadline::now())) {
      throw UsageError{"a process cannot be closed while it runs: join or terminate it first"};
    }
    process::forget_child(*started);
  }
  std::unique_ptr<Target> dropped;
  const std::lock_guard hold{mutex_};
  closed_ = true;
  child_ = nullptr;
  dropped = std::move(target_);
}

void ProcessState::end() {
  std::shared_ptr<process::ChildProcess> started;
  {
    const std::lock_guard hold{mutex_};
    started = child_;
  }
  if (started == nullptr || !started->is_ours()) {
    return;
  }
  if (daemon_) {
    started->signal(os::kSigTerm);
  }
  started->wait(Deadline::never());
  process::forget_child(*started);
}

std::string ProcessState::name() {
  const std::lock_guard hold{mutex_};
  expect_open();
  return name_;
}

bool ProcessState::daemon() {
  const std::lock_guard hold{mutex_};
  expect_open();
  return daemon_;
}

std::string ProcessState::authkey() {
  const std::lock_guard hold{mutex_};
  expect_open();
  return authkey_ ? *authkey_ : process::authkey();
}

void ProcessState::set_name(std::string name) {
  const std::lock_guard hold{mutex_};
  expect_not_started();
  name_ = std::move(name);
}

void ProcessState::set_daemon(bool daemon) {
  const std::lock_guard hold{mutex_};
  expect_not_started();
  daemon_ = daemon;
}

void ProcessState::set_authkey(std::string key) {
  const std::lock_guard hold{mutex_};
  expect_not_started();
  authkey_ = std::move(key);
}

}  // namespace detail

ProcessHandle::ProcessHandle(std::shared_ptr<detail::ProcessState> state) noexcept
    : state_{std::move(state)} {}
ProcessHandle::ProcessHandle(const ProcessHandle&) noexcept = default;
ProcessHandle::ProcessHandle(ProcessHandle&&) noexcept = default;
ProcessHandle& ProcessHandle::operator=(const ProcessHandle&) noexcept = default;
ProcessHandle& ProcessHandle::operator=(ProcessHandle&&) noexcept = default;
ProcessHandle::~ProcessHandle() = default;

void ProcessHandle::join() const {
  state_->join(Deadline::never());
}
bool ProcessHandle::join(Deadline until) const {
  return state_->join(until);
}
void ProcessHandle::terminate() const {
  state_->signal(os::kSigTerm);
}
void ProcessHandle::interrupt() const {
  state_->signal(os::kSigInt);
}
void ProcessHandle::kill() const {
  state_->signal(os::kSigKill);
}
bool ProcessHandle::is_alive() const {
  return state_->pid().has_value() && !state_->join(Deadline::now());
}
std::optional<int> ProcessHandle::exitcode() const {
  return state_->exitcode();
}
std::optional<int> ProcessHandle::pid() const {
  return state_->pid();
}
Sentinel ProcessHandle::sentinel() const {
  return state_->sentinel();
}
std::string ProcessHandle::name() const {
  return state_->name();
}
bool ProcessHandle::daemon() const {
  return state_->daemon();
}
std::string ProcessHandle::authkey() const {
  return state_->authkey();
}

Process::Process(ProcessOptions options) : Process{std::move(options), nullptr} {}
Process::Process(ProcessOptions options, std::unique_ptr<detail::Target> target)
    : ProcessHandle{std::make_shared<detail::ProcessState>(std::move(options), std::move(target))} {
}

Process::Process(Process&&) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    end();
    ProcessHandle::operator=(std::move(other));
  }
  return *this;
}

Process::~Process() {
  end();
}

void Process::end() noexcept {
  if (state_ != nullptr) {
    state_->end();
  }
}

void Process::start() {
  state_->start(*this);
  const std::lock_guard hold{detail::running_mutex};
  detail::running().push_back(state_);
}

[[gnu::hot]] void Process::run() {
  state_->run();
}
void Process::close() {
  state_->close();
}
void Process::set_name(std::string name) {
  state_->set_name(std::move(name));
}
void Process::set_daemon(bool daemon) {
  state_->set_daemon(daemon);
}
void Process::set_authkey(std::string key) {
  state_->set_authkey(std::move(key));
}

}  // namespace mp
