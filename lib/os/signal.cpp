// SPDX-License-Identifier: Apache-2.0
#include "os/signal.hpp"

#include <csignal>
#include <cstring>

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/check.hpp"
#include "os/signal_set.hpp"

namespace mp::os {

static_assert(kSigInt == SIGINT && kSigAbort == SIGABRT && kSigKill == SIGKILL &&
              kSigPipe == SIGPIPE && kSigTerm == SIGTERM && kSigChild == SIGCHLD &&
              kSigContinue == SIGCONT && kSigStop == SIGSTOP);

// A sigset_t begins with the kernel's own set of signals, one bit each. Through sigaddset, a call
// for each of 64, a forked child would also fault in a page of libc that it has no other use for.
static_assert(sizeof(sigset_t) >= sizeof(SignalSet));

[[gnu::hot]] sigset_t to_sigset(SignalSet signals) noexcept {
  // libc uses the two before the first of SIGRTMIN itself, and nobody else may block them.
  const SignalSet ours = signals & ~(signal_bit(32) | signal_bit(33));
  sigset_t set{};
  std::memcpy(&set, &ours, sizeof ours);
  return set;
}

SignalSet from_sigset(const sigset_t& set) noexcept {
  SignalSet signals = 0;
  std::memcpy(&signals, &set, sizeof signals);
  return signals;
}

namespace {

[[gnu::hot]] SignalHandler install(int signal, SignalHandler handler, int flags) {
  struct sigaction wanted {};
  struct sigaction before {};
  wanted.sa_handler = handler;
  wanted.sa_flags = flags;
  check(call(Sys::sigaction, [&] { return ::sigaction(signal, &wanted, &before); }));
  return before.sa_handler;
}

}  // namespace

[[gnu::hot]] int realtime_signal(int n) noexcept {
  return SIGRTMAX - n;
}

[[gnu::hot]] SignalSet signal_mask() noexcept {
  sigset_t now{};
  (void)call_status(Sys::sigmask, [&] { return ::pthread_sigmask(SIG_SETMASK, nullptr, &now); });
  return from_sigset(now);
}

[[gnu::hot]] SignalSet set_signal_mask(SignalSet blocked) noexcept {
  const sigset_t wanted = to_sigset(blocked);
  sigset_t before{};
  (void)call_status(Sys::sigmask, [&] { return ::pthread_sigmask(SIG_SETMASK, &wanted, &before); });
  return from_sigset(before);
}

[[gnu::hot]] SignalHandler set_handler(int signal, SignalHandler handler, bool interrupts) {
  return install(signal, handler, interrupts ? 0 : SA_RESTART);
}

SignalHandler ignore_signal(int signal) {
  return install(signal, SIG_IGN, 0);
}

SignalHandler default_signal(int signal) {
  return install(signal, SIG_DFL, 0);
}

bool is_ignored(int signal) {
  struct sigaction now {};
  check(call(Sys::sigaction, [&] { return ::sigaction(signal, nullptr, &now); }));
  return now.sa_handler == SIG_IGN;
}

[[gnu::hot]] void set_parent_death_signal(int signal) {
  check(call(Sys::prctl, [&] { return ::prctl(PR_SET_PDEATHSIG, signal); }), "PR_SET_PDEATHSIG");
}

void die_of(int signal) noexcept {
  struct sigaction fatal {};
  fatal.sa_handler = SIG_DFL;
  (void)::sigaction(signal, &fatal, nullptr);
  // To this thread, so that it is there as soon as it is unblocked, and not taken by another
  // thread while this one goes on.
  (void)::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), signal);
  (void)set_signal_mask(kAllSignals & ~signal_bit(signal));
  // Still here: the signal's default is not to end a process.
  ::_exit(128 + signal);
}

}  // namespace mp::os
