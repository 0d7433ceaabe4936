// SPDX-License-Identifier: Apache-2.0
#include "harness/tracee.hpp"

#include <cstddef>
#include <stdexcept>
#include <system_error>

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "harness/symbol.hpp"
#include "support/proc_view.hpp"

#ifndef __x86_64__
#error "the kill harness reads x86-64 registers"
#endif

namespace mp::crash {

// Distinct bodies, or the linker may fold the two into one.
[[gnu::noinline]] void begin_operation() noexcept {
  asm volatile("# begin" ::: "memory");
}

[[gnu::noinline]] void end_operation() noexcept {
  asm volatile("nop # end" ::: "memory");
}

std::uintptr_t address_of_begin() noexcept {
  return reinterpret_cast<std::uintptr_t>(&begin_operation);
}

std::uintptr_t address_of_end() noexcept {
  return reinterpret_cast<std::uintptr_t>(&end_operation);
}

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kLook{1};  // how often an unstopped tracee is looked at
constexpr int kAsleepLooks = 3;   // so many looks in a row, and it is asleep
constexpr milliseconds kBusy = std::chrono::seconds{5};

long trace(int request, pid_t pid, std::size_t address, std::size_t data) {
  // NOLINTBEGIN(performance-no-int-to-ptr): ptrace takes numbers as pointers
  const long result = ::ptrace(static_cast<__ptrace_request>(request), pid,
                               reinterpret_cast<void*>(address), reinterpret_cast<void*>(data));
  // NOLINTEND(performance-no-int-to-ptr)
  if (result == -1 && errno != 0) {
    throw std::system_error{errno, std::system_category(), "ptrace"};
  }
  return result;
}

void poke_user(pid_t pid, std::size_t offset, std::size_t value) {
  errno = 0;
  trace(PTRACE_POKEUSER, pid, offset, value);
}

// Waits a moment for any child's change of state.
void doze() {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  const timespec span{0, std::chrono::nanoseconds{kLook}.count()};
  ::sigtimedwait(&child, nullptr, &span);
}

}  // namespace

Tracee::Tracee(const Stage& stage, const std::function<void()>& body, bool pinned)
    : party_{stage, body, true} {
  if (wait_awake(kBusy) != Stop::trapped) {
    throw std::runtime_error{"the process to be traced did not start: " + ending().describe()};
  }
  trace(PTRACE_SETOPTIONS, party_.pid(), 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
  Stop stop = run_to(address_of_begin());
  if (stop == Stop::asleep || stop == Stop::busy) {
    stop = wait_awake(kBusy);
  }
  if (stop != Stop::trapped || instruction() != address_of_begin()) {
    throw std::runtime_error{"the process to be traced did not reach the operation: " +
                             ending().describe()};
  }
  if (pinned) {
    stage.pin(party_.pid());
  }
}

void Tracee::set_breakpoint(std::uintptr_t address) {
  if (address == breakpoint_) {
    return;
  }
  const auto slot = [](std::size_t i) { return offsetof(user, u_debugreg) + i * sizeof(long); };
  poke_user(party_.pid(), slot(7), 0);
  if (address != 0) {
    poke_user(party_.pid(), slot(0), address);
    poke_user(party_.pid(), slot(1), address_of_end());
    const bool both = address != address_of_end();
    poke_user(party_.pid(), slot(7), both ? 0b101 : 0b001);  // local enable bits 0 and 1
  }
  breakpoint_ = address;
}

Stop Tracee::step() {
  set_breakpoint(0);
  return resume(PTRACE_SINGLESTEP);
}

Stop Tracee::run_to(std::uintptr_t address) {
  set_breakpoint(address);
  return resume(PTRACE_CONT);
}

Stop Tracee::run_on() {
  set_breakpoint(0);
  return resume(PTRACE_CONT);
}

Stop Tracee::run_to_sleep() {
  set_breakpoint(0);
  Stop stop = Stop::trapped;
  while (stop == Stop::trapped) {
    stop = resume(PTRACE_SYSCALL);  // stops at the entry and at the exit of each call
  }
  return stop;
}

Stop Tracee::resume(int request) {
  request_ = request;
  is_stopped_ = false;
  errno = 0;
  trace(request, party_.pid(), 0, 0);
  return wait(kBusy);
}

// Takes one report of the tracee if there is one. Returns whether that was a stop of ours; signals
// on their way to the tracee are passed on.
bool Tracee::take_stop() {
  if (::waitpid(party_.pid(), &status_, WNOHANG | __WALL) != party_.pid()) {
    return false;
  }
  if (!WIFSTOPPED(status_)) {
    ended_ = true;
    party_.set_reaped();
    return true;
  }
  const int signal = WSTOPSIG(status_);
  if (signal == SIGTRAP || signal == (SIGTRAP | 0x80) || request_ == 0) {
    is_stopped_ = true;
    return true;
  }
  errno = 0;
  trace(request_, party_.pid(), 0, static_cast<std::size_t>(signal));
  return false;
}

Stop Tracee::wait(milliseconds limit) {
  const auto end = Clock::now() + limit;
  int looks = 0;
  for (;;) {
    if (take_stop()) {
      return ended_ ? Stop::ended : Stop::trapped;
    }
    const auto before = Clock::now();
    doze();
    if (Clock::now() - before < kLook) {
      continue;  // a signal came: look at the tracee at once
    }
    looks = test::is_asleep(party_.pid()) ? looks + 1 : 0;
    if (looks >= kAsleepLooks) {
      return take_stop() ? (ended_ ? Stop::ended : Stop::trapped) : Stop::asleep;
    }
    if (Clock::now() >= end) {
      return Stop::busy;
    }
  }
}

Stop Tracee::wait_awake(milliseconds limit) {
  const auto end = Clock::now() + limit;
  Stop stop = Stop::busy;
  do {
    stop = wait(limit);
  } while ((stop == Stop::asleep || stop == Stop::busy) && Clock::now() < end);
  return stop;
}

std::uintptr_t Tracee::instruction() const {
  errno = 0;
  return static_cast<std::uintptr_t>(
      trace(PTRACE_PEEKUSER, party_.pid(), offsetof(user, regs.rip), 0));
}

Ending Tracee::ending() const {
  Ending ending;
  ending.in_time = ended_;
  ending.status = status_;
  ending.text = party_.text();
  if (!ended_) {
    const char state = test::view_process(party_.pid()).state;
    ending.where = std::string{"state "} + state + " in " +
                   test::slurp("/proc/" + std::to_string(party_.pid()) + "/wchan");
  }
  return ending;
}

}  // namespace mp::crash
