// SPDX-License-Identifier: Apache-2.0
// os/signal.hpp — masks, handlers, and the signal that a parent's death sends.
//
// Threads: masks are per thread, handlers per process.
// Fork:    a child inherits both; an exec keeps the mask and what is ignored.
// Throws:  OsError (EINVAL for a number that is no signal) where not noexcept.
#pragma once

#include <cstdint>

namespace mp::os {

// Bit n - 1 stands for signal n.
using SignalSet = std::uint64_t;
inline constexpr SignalSet kAllSignals = ~SignalSet{0};

[[nodiscard]] constexpr SignalSet signal_bit(int signal) noexcept {
  return SignalSet{1} << (signal - 1);
}

// The numbers, which are the same on every Linux that mp runs on.
inline constexpr int kSigInt = 2;
inline constexpr int kSigAbort = 6;
inline constexpr int kSigKill = 9;
inline constexpr int kSigPipe = 13;
inline constexpr int kSigTerm = 15;
inline constexpr int kSigChild = 17;
inline constexpr int kSigContinue = 18;
inline constexpr int kSigStop = 19;

// The n-th real-time signal from the top, which users are least likely to have taken.
[[nodiscard]] int realtime_signal(int n) noexcept;

// The calling thread's mask, and a new one; set_signal_mask returns the one before.
[[nodiscard]] SignalSet signal_mask() noexcept;
SignalSet set_signal_mask(SignalSet blocked) noexcept;

// Blocks signals in this thread for its scope.
class SignalBlock {
 public:
  explicit SignalBlock(SignalSet blocked = kAllSignals) noexcept
      : before_{set_signal_mask(signal_mask() | blocked)} {}
  ~SignalBlock() { (void)set_signal_mask(before_); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

  // What was blocked before.
  [[nodiscard]] SignalSet before() const noexcept { return before_; }

 private:
  SignalSet before_;
};

using SignalHandler = void (*)(int);

// Installs a handler and returns the one before. Interrupted calls go on by themselves where the
// kernel can do that, unless `interrupts`.
SignalHandler set_handler(int signal, SignalHandler handler, bool interrupts = false);
SignalHandler ignore_signal(int signal);
SignalHandler default_signal(int signal);
[[nodiscard]] bool is_ignored(int signal);

// The signal this process gets when its parent's thread that made it ends; 0 for none. Who needs
// to know that the parent is gone compares parent_pid() in the handler and right after this call.
void set_parent_death_signal(int signal);

// Ends this process as an unhandled `signal` would, whatever is blocked or handled.
[[noreturn]] void die_of(int signal) noexcept;

}  // namespace mp::os
