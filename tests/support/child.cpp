// SPDX-License-Identifier: Apache-2.0
#include "support/child.hpp"

#include <cstdio>
#include <gtest/gtest.h>
#include <ostream>
#include <stdexcept>
#include <string>
#include <system_error>

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mp::test {
namespace {

int failed_parts() {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  int failures = 0;
  for (int i = 0; test != nullptr && i < test->result()->total_part_count(); ++i) {
    failures += test->result()->GetTestPartResult(i).failed() ? 1 : 0;
  }
  return failures;
}

bool dies_with_parent = false;

int run(const std::function<int()>& body) noexcept {
  const int failures_before = failed_parts();
  int code = kThrew;
  try {
    code = body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "the child's body threw: %s\n", error.what());
  } catch (...) {
    std::fputs("the child's body threw something that is no std::exception\n", stderr);
  }
  return failed_parts() > failures_before ? kFailedExpectations : code;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const ExitStatus& status) {
  return status.signal != 0 ? out << "killed by signal " << status.signal
                            : out << "exited with " << status.code;
}

void die_with_parent(pid_t parent) {
  dies_with_parent = true;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) {
    ::_exit(kThrew);  // it died before
  }
}

pid_t Child::start(const std::function<int()>& body) {
  std::fflush(stdout);  // or the child would print the parent's buffered text once more
  std::fflush(stderr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    throw std::system_error{errno, std::system_category(), "fork"};
  }
  if (pid == 0) {
    if (dies_with_parent) {
      die_with_parent(parent);
    }
    const int code = run(body);
    std::fflush(stdout);
    std::fflush(stderr);
    ::_exit(code);
  }
  return pid;
}

Child::~Child() {
  if (pid_ != 0 && !reaped_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

bool Child::has_ended(std::chrono::milliseconds limit) const {
  if (reaped_) {
    return true;
  }
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (fd < 0) {
    throw std::system_error{errno, std::system_category(), "pidfd_open"};
  }
  const auto end = std::chrono::steady_clock::now() + limit;
  int ready = 0;
  do {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        std::max(end - std::chrono::steady_clock::now(), std::chrono::nanoseconds{0}));
    pollfd look{.fd = fd, .events = POLLIN, .revents = 0};
    ready = ::poll(&look, 1, static_cast<int>(left.count()));
  } while (ready < 0 && errno == EINTR);
  ::close(fd);
  return ready > 0;
}

ExitStatus Child::wait(std::chrono::milliseconds limit) {
  if (reaped_) {
    return status_;
  }
  if (!has_ended(limit)) {
    const std::string text = "child " + std::to_string(pid_) + " does not end";
    kill();
    throw std::runtime_error{text};
  }
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) {
    throw std::system_error{errno, std::system_category(), "waitpid"};
  }
  reaped_ = true;
  status_ = WIFSIGNALED(status) ? killed_by(WTERMSIG(status)) : exited(WEXITSTATUS(status));
  return status_;
}

void Child::send_signal(int signal) const {
  if (!reaped_ && ::kill(pid_, signal) != 0) {
    throw std::system_error{errno, std::system_category(), "kill"};
  }
}

ExitStatus Child::kill() {
  send_signal(SIGKILL);
  return wait();
}

}  // namespace mp::test
