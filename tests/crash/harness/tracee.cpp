// SPDX-License-Identifier: Apache-2.0
#include "harness/tracee.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <system_error>

#include <elf.h>
#include <sched.h>
#include <sys/auxv.h>
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

constexpr int kYields = 64;       // looks that cost no timer: a tracee on our CPU mostly needs one
constexpr milliseconds kLook{1};  // how often an unstopped tracee is looked at after that
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

std::size_t read_code(pid_t pid, std::uintptr_t address) {
  errno = 0;
  return static_cast<std::size_t>(trace(PTRACE_PEEKTEXT, pid, address, 0));
}

void write_code(pid_t pid, std::uintptr_t address, std::size_t word) {
  errno = 0;
  trace(PTRACE_POKETEXT, pid, address, word);
}

// Whether the address is in the code that the kernel maps for reading the clock.
bool is_in_vdso(std::uintptr_t address) {
  static const std::uintptr_t begin = ::getauxval(AT_SYSINFO_EHDR);
  static const std::uintptr_t end = [] {
    if (begin == 0) {
      return begin;
    }
    const auto* head = reinterpret_cast<const Elf64_Ehdr*>(begin);  // NOLINT: a number until here
    const auto* parts = reinterpret_cast<const Elf64_Phdr*>(begin + head->e_phoff);  // NOLINT
    std::uintptr_t last = begin;
    for (unsigned i = 0; i < head->e_phnum; ++i) {
      if (parts[i].p_type == PT_LOAD) {
        last = std::max<std::uintptr_t>(last, begin + parts[i].p_vaddr + parts[i].p_memsz);
      }
    }
    return last;
  }();
  return address >= begin && address < end;
}

constexpr std::size_t kTrap = 0xcc;  // int3, one byte: it never reaches into the next instruction

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
  // The last one first, in case two overlap.
  while (!traps_.empty()) {
    const Trap trap = traps_.back();
    traps_.pop_back();
    const std::size_t word = read_code(party_.pid(), trap.address);
    write_code(party_.pid(), trap.address, (word & ~std::size_t{0xff}) | trap.byte);
  }
  if (address != 0) {
    set_trap(address);
    if (address != address_of_end()) {
      set_trap(address_of_end());
    }
  }
  breakpoint_ = address;
}

void Tracee::set_trap(std::uintptr_t address) {
  const std::size_t word = read_code(party_.pid(), address);
  write_code(party_.pid(), address, (word & ~std::size_t{0xff}) | kTrap);
  traps_.push_back({address, static_cast<std::uint8_t>(word & 0xff)});
}

// After a trap the processor stands behind it; the instruction that was there is still to be run.
void Tracee::step_back_from_trap() {
  const std::uintptr_t before = instruction() - 1;
  if (std::ranges::any_of(traps_, [&](const Trap& trap) { return trap.address == before; })) {
    errno = 0;
    trace(PTRACE_POKEUSER, party_.pid(), offsetof(user, regs.rip), before);
  }
}

Stop Tracee::step() {
  set_breakpoint(0);
  const Stop stop = resume(PTRACE_SINGLESTEP);
  if (stop != Stop::trapped || !is_in_vdso(instruction())) {
    return stop;
  }
  // Just called: the address to return to is on top of the stack.
  errno = 0;
  const auto top = static_cast<std::uintptr_t>(
      trace(PTRACE_PEEKUSER, party_.pid(), offsetof(user, regs.rsp), 0));
  return run_to(read_code(party_.pid(), top));
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
    if (signal == SIGTRAP && request_ == PTRACE_CONT) {
      step_back_from_trap();
    }
    return true;
  }
  errno = 0;
  trace(request_, party_.pid(), 0, static_cast<std::size_t>(signal));
  return false;
}

Stop Tracee::wait(milliseconds limit) {
  for (int i = 0; i < kYields; ++i) {
    ::sched_yield();
    if (take_stop()) {
      return ended_ ? Stop::ended : Stop::trapped;
    }
  }
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
