// SPDX-License-Identifier: Apache-2.0
// harness/tracee.hpp — a process that the harness runs instruction by instruction.
//
// The body runs freely up to begin_operation(), and from there as the tester says, up to
// end_operation(). One step is one instruction as the processor sees it: a system call is one step,
// a `rep` instruction is one step for each repetition.
//
// Breakpoints are trap instructions in the tracee's own copy of the code, since not every virtual
// machine has debug registers. So an operation must neither fork nor run other threads.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "harness/party.hpp"

namespace mp::crash {

// The marks between which an operation is traced. Each is a call to an empty function.
void begin_operation() noexcept;
void end_operation() noexcept;
std::uintptr_t address_of_begin() noexcept;
std::uintptr_t address_of_end() noexcept;

enum class Stop {
  trapped,  // stopped: after a step, at a breakpoint, or at the end of a system call
  asleep,   // still in a system call that sleeps; it will stop when that returns
  busy,     // runs on without a stop
  ended,    // no longer there
};

class Tracee {
 public:
  // Starts the process and runs it up to begin_operation(). Throws if it does not get there.
  Tracee(const Stage& stage, const std::function<void()>& body, bool pinned);

  // Executes one instruction. A call of the kernel's code that reads the clock counts as one, as a
  // system call does: it reads again when a tick came between, so by steps it might never end.
  Stop step();
  // Runs up to the next execution of the instruction at `address`, or to end_operation().
  // Expects: the tracee does not stand on `address`.
  Stop run_to(std::uintptr_t address);
  // Runs to the end of the process, without any more stops.
  Stop run_on();
  // Runs until the process sleeps in a system call, so that it stops when that call returns.
  Stop run_to_sleep();
  // Waits for the stop that the last of the above still owes, after it returned asleep or busy.
  Stop wait(std::chrono::milliseconds limit);
  // Like wait(), but says `asleep` or `busy` only when `limit` is over.
  Stop wait_awake(std::chrono::milliseconds limit);

  std::uintptr_t instruction() const;
  // Whether it waits for the tester: not asleep, not busy, not ended.
  bool is_stopped() const { return is_stopped_; }
  bool is_at_end() const { return instruction() == address_of_end(); }
  // What ended it, after Stop::ended.
  Ending ending() const;

  Party& party() { return party_; }

 private:
  Stop resume(int request);
  bool take_stop();
  void set_breakpoint(std::uintptr_t address);
  void set_trap(std::uintptr_t address);
  void step_back_from_trap();

  struct Trap {
    std::uintptr_t address;
    std::uint8_t byte;  // what it stands in for
  };

  Party party_;
  int request_ = 0;
  int status_ = 0;
  std::uintptr_t breakpoint_ = 0;
  std::vector<Trap> traps_ = {};
  bool is_stopped_ = false;
  bool ended_ = false;
};

}  // namespace mp::crash
