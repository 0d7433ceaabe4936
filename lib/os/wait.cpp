// SPDX-License-Identifier: Apache-2.0
#include "os/wait.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <span>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/check.hpp"
#include "os/pidfd.hpp"
#include "os/poll.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3  // Linux 5.4, glibc 2.36
#endif

namespace mp::os {

namespace {

using std::chrono::microseconds;

// libc's waitid has no place for the usage.
Outcome<long> wait_by(Sys sys, int kind, int id, siginfo_t& info, rusage& used,
                      int options) noexcept {
  return call(sys, [&] {
    // __WALL: also a child whose end raises no SIGCHLD.
    return ::syscall(SYS_waitid, kind, id, &info, WEXITED | __WALL | options, &used);
  });
}

double seconds(const timeval& time) noexcept {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// One waitid, which blocks unless `options` has WNOHANG.
Exit reap(int pid, int pidfd, int options) {
  siginfo_t info{};
  rusage used{};
  Outcome<long> waited{-1, ENOSYS, Sys::waitid_pidfd};
  if (pidfd >= 0) {
    waited = wait_by(Sys::waitid_pidfd, P_PIDFD, pidfd, info, used, options);
  }
  // EINVAL: pidfds, but no P_PIDFD yet.
  if (is_unavailable(waited.error) || waited.error == EINVAL) {
    waited = wait_by(Sys::waitid_pid, P_PID, pid, info, used, options);
  }
  if (waited.error == ECHILD) {
    const auto kept = pidfd >= 0 ? exit_info(pidfd) : std::nullopt;
    return kept ? Exit{Exit::State::exited, *kept} : Exit{Exit::State::unknown};
  }
  check(waited);
  if (info.si_pid == 0) {
    return {Exit::State::running};
  }
  return {Exit::State::exited, info.si_code == CLD_EXITED ? info.si_status : -info.si_status,
          seconds(used.ru_utime), seconds(used.ru_stime),
          static_cast<std::uint64_t>(used.ru_maxrss) * 1024};
}

}  // namespace

Exit wait_child(int pid, int pidfd, Deadline until) {
  if (until.is_never()) {
    return reap(pid, pidfd, 0);
  }
  if (pidfd >= 0) {
    if (until != Deadline::now() && !wait_readable(pidfd, until)) {
      return {Exit::State::running};
    }
    return reap(pid, pidfd, WNOHANG);
  }
  for (microseconds pause{100};; pause = std::min(pause * 2, microseconds{10'000})) {
    const Exit now = reap(pid, pidfd, WNOHANG);
    if (now.state != Exit::State::running || until.passed()) {
      return now;
    }
    (void)poll({}, until.no_later_than(pause));
  }
}

}  // namespace mp::os
