// SPDX-License-Identifier: Apache-2.0
#include "mp/process/current.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "mp/memory/object_ref.hpp"

#include "memory/fork_mutex.hpp"
#include "os/proc.hpp"
#include "process/identity.hpp"
#include "process/process_state.hpp"

namespace mp {

namespace {

[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{7};

}  // namespace

std::string CurrentProcess::name() const {
  return process::identity().name;
}
int CurrentProcess::pid() const noexcept {
  return os::pid();
}
bool CurrentProcess::daemon() const noexcept {
  return process::identity().daemon;
}
std::string CurrentProcess::authkey() const {
  return process::authkey();
}
void CurrentProcess::set_name(std::string name) {
  process::set_name(std::move(name));
}
void CurrentProcess::set_authkey(std::string key) {
  process::set_authkey(std::move(key));
}

CurrentProcess current_process() noexcept {
  return {};
}

std::optional<ProcessHandle> parent_process() {
  static std::shared_ptr<detail::ProcessState> parent;
  static std::uint32_t known_in = 0;
  const int pid = process::identity().parent_pid;
  if (pid == 0) {
    return std::nullopt;
  }
  const std::lock_guard hold{mutex};
  if (known_in != detail::fork_generation) {
    parent = std::make_shared<detail::ProcessState>(pid, process::identity().parent_name);
    known_in = detail::fork_generation;
  }
  return ProcessHandle{parent};
}

std::vector<ProcessHandle> active_children() {
  std::vector<ProcessHandle> children;
  for (auto& state : detail::running_children()) {
    children.emplace_back(std::move(state));
  }
  return children;
}

int cpu_count() {
  return std::max(1, os::cpu_count());
}

}  // namespace mp
