// SPDX-License-Identifier: Apache-2.0
#include "harness/party.hpp"

#include <cstdio>
#include <execinfo.h>
#include <system_error>
#include <time.h>

#include <poll.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/symbol.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"

namespace mp::crash {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

const int kStackSignal = SIGRTMAX - 3;

// Returns whether the process has ended within `limit`. It stays a zombie.
bool ends_within(pid_t pid, milliseconds limit) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) {
    throw std::system_error{errno, std::system_category(), "pidfd_open"};
  }
  pollfd look{.fd = fd, .events = POLLIN, .revents = 0};
  const int ready = ::poll(&look, 1, static_cast<int>(limit.count()));
  ::close(fd);
  return ready > 0;
}

// CPU time that the process has used up so far.
milliseconds cpu_time(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) {
    return milliseconds{0};
  }
  return milliseconds{used.tv_sec * 1000 + used.tv_nsec / 1'000'000};
}

}  // namespace

Party::Report* Party::own_report = nullptr;

Stage::Stage() {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &child, &mask_);
  ::sched_getaffinity(0, sizeof usable_, &usable_);
  CPU_ZERO(&pinned_);
  CPU_SET(::sched_getcpu(), &pinned_);
  pin(0);
}

Stage::~Stage() {
  leave();
}

void Stage::leave() const {
  ::sched_setaffinity(0, sizeof usable_, &usable_);
  ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

void Stage::pin(pid_t pid) const {
  ::sched_setaffinity(pid, sizeof pinned_, &pinned_);
}

std::string Ending::describe() const {
  if (!in_time) {
    return "does not end: " + where;
  }
  if (WIFSIGNALED(status)) {
    return "was killed by signal " + std::to_string(WTERMSIG(status));
  }
  return text.empty() ? "exited with " + std::to_string(WEXITSTATUS(status)) : text;
}

Party::Party(const Stage& stage, const std::function<void()>& body, bool traced) {
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) {
    throw std::system_error{errno, std::system_category(), "fork"};
  }
  if (pid_ != 0) {
    return;
  }
  test::die_with_parent(parent);
  stage.leave();
  own_report = report_.get();
  ::signal(kStackSignal, note_stack);
  int code = 1;
  try {
    if (traced) {
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
        throw std::system_error{errno, std::system_category(), "PTRACE_TRACEME"};
      }
      ::raise(SIGSTOP);
    }
    body();
    code = 0;
  } catch (const std::exception& error) {
    std::snprintf(report_->text.data(), report_->text.size(), "%s", error.what());
  } catch (...) {
    std::snprintf(report_->text.data(), report_->text.size(), "threw what is no std::exception");
  }
  ::_exit(code);
}

Party::~Party() {
  if (!reaped_) {
    kill();
  }
}

Ending Party::wait(milliseconds bound) {
  const auto patience = Clock::now() + 10 * bound;
  Ending ending;
  ending.in_time = ends_within(pid_, bound);
  while (!ending.in_time && !test::is_asleep(pid_) && cpu_time(pid_) < bound &&
         Clock::now() < patience) {
    ending.in_time = ends_within(pid_, bound / 4);
  }
  if (!ending.in_time) {
    ending.where = where();
    return ending;
  }
  ::waitpid(pid_, &ending.status, __WALL);
  reaped_ = true;
  ending.text = text();
  return ending;
}

// In the party: leaves its stack to the tester. backtrace() does not allocate any more, for the
// watchdog has called it once in the tester.
void Party::note_stack(int) {
  own_report->depth =
      ::backtrace(own_report->frames.data(), static_cast<int>(own_report->frames.size()));
}

// What a hung party is doing: its state, what it waits for in the kernel, and the calls that lead
// there as far as they have lines in this program's sources.
std::string Party::where() const {
  std::string text = std::string{"state "} + test::view_process(pid_).state + " in " +
                     test::slurp("/proc/" + std::to_string(pid_) + "/wchan");
  ::kill(pid_, kStackSignal);
  test::eventually([&] { return report_->depth > 0; }, milliseconds{200});
  // The first two are the handler and the kernel's return from it. The harness comes after the
  // last.
  for (int i = 2; i < report_->depth; ++i) {
    const auto frame =
        reinterpret_cast<std::uintptr_t>(report_->frames[static_cast<std::size_t>(i)]);
    const std::string symbol = symbol_of(frame - 1);  // what follows a call may be the next line
    if (symbol.find("mp::crash::Party::") != std::string::npos ||
        symbol.find("::Runner::") != std::string::npos) {
      break;
    }
    text += "\n      " + symbol;
  }
  return text;
}

void Party::kill(bool reap_it) {
  if (reaped_) {
    return;
  }
  ::kill(pid_, SIGKILL);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | __WALL) != 0 &&
         errno == EINTR) {
  }
  if (reap_it) {
    reap();
  }
}

void Party::reap() {
  int status = 0;
  // A tracee's stops may still be queued before its end.
  while (::waitpid(pid_, &status, __WALL) == pid_ && WIFSTOPPED(status)) {
  }
  reaped_ = true;
}

}  // namespace mp::crash
