// SPDX-License-Identifier: Apache-2.0
#include "os/pidfd.hpp"

#include <cerrno>
#include <csignal>

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/check.hpp"
#include "os/proc.hpp"

// The same numbers on every architecture.
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace mp::os {

namespace {

// The kernel's struct pidfd_info as of its first version, and what we ask of it.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup;
  std::uint32_t ids[11];
  std::int32_t exit_code;  // as wait(2) has it
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kExitInfo = 1U << 3;
constexpr unsigned long kGetInfo = _IOWR(0xff, 11, PidfdInfo);

Probe pidfd_probe;

}  // namespace

bool have_pidfd() noexcept {
  return pidfd_probe.known([] {
    const auto asked =
        call(Sys::pidfd_open, [] { return ::syscall(SYS_pidfd_open, ::getpid(), 0); });
    const Fd closed{asked.ok() ? static_cast<int>(asked.value) : -1};
    return !is_unavailable(asked.error);
  });
}

Fd pidfd_open(int pid) {
  const auto opened = call(Sys::pidfd_open, [&] { return ::syscall(SYS_pidfd_open, pid, 0); });
  if (is_unavailable(opened.error)) {
    return Fd{};
  }
  return Fd{static_cast<int>(check(opened))};
}

int send_signal(int pidfd, int pid, std::uint64_t start_time, int signal) noexcept {
  if (pidfd >= 0) {
    const auto sent = call(Sys::pidfd_send_signal, [&] {
      return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
    });
    // EPERM may be a filter's or the kernel's; kill() then says the latter again.
    if (!is_unavailable(sent.error)) {
      return sent.error;
    }
  }
  if (pid <= 0) {
    return ESRCH;  // to kill() these mean groups, or everybody
  }
  if (start_time != 0) {
    // A moment is left between this look and kill(); a pid is not used again that soon.
    const auto stat = proc_stat(pid);
    if (stat && stat->start_time != start_time) {
      return ESRCH;
    }
  }
  return call(Sys::kill, [&] { return ::kill(pid, signal); }).error;
}

std::optional<int> exit_info(int pidfd) noexcept {
  PidfdInfo info{};
  info.mask = kExitInfo;
  const auto asked = call(Sys::pidfd_get_info, [&] { return ::ioctl(pidfd, kGetInfo, &info); });
  if (!asked.ok() || (info.mask & kExitInfo) == 0) {
    return std::nullopt;
  }
  return WIFSIGNALED(info.exit_code) ? -WTERMSIG(info.exit_code) : WEXITSTATUS(info.exit_code);
}

}  // namespace mp::os
