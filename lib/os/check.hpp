// SPDX-License-Identifier: Apache-2.0
// os/check.hpp — the seam through which every system call goes.
//
//     auto made = os::call(Sys::ftruncate, [&] { return ::ftruncate(fd, size); });
//     if (made.error == EFBIG) ...            // a caller that decides
//     os::check(made, "the arena");           // a caller that does not: throws OsError
//
// call() makes the call again when a signal interrupted it; call_once() reports EINTR, for calls
// that must not be made twice (close) and for sleeps whose caller looks again anyway. A call that
// answers with an error number instead of errno (pthread_*, posix_spawn) goes through
// call_status().
//
// Tests install a FaultHook: it is asked before each call, and what it returns is the errno the
// call fails with, without being made; 0 lets it be made.
//
// Threads: everything here may be called from any thread; the hook must be able to take that.
// Fork:    a child inherits the hook.
// Throws:  check() throws OsError; nothing else throws.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace mp::os {

// One enumerator for each call that can be made to fail, named as the kernel or libc names it.
enum class Sys : std::uint8_t {
  accept,
  bind,
  clone3,
  clone_pidfd,
  clone,
  close_range,
  connect,
  dup,
  eventfd,
  fallocate,
  fcntl,
  fdatasync,
  flock,
  fork,
  fstat,
  fstatfs,
  ftruncate,
  futex_wait,
  futex_waitv,
  futex_wake,
  getaddrinfo,
  getrandom,
  getrlimit,
  getsockname,
  getsockopt,
  get_robust_list,
  kill,
  linkat,
  listen,
  madvise_dontdump,
  madvise_dontfork,
  madvise_populate,
  madvise_remove,
  membarrier,
  memfd_create,
  memfd_noexec,
  mmap,
  munmap,
  open,
  pidfd_get_info,
  pidfd_open,
  pidfd_send_signal,
  poll,
  posix_spawn,
  prctl,
  pread,
  pthread_mutex,
  pwrite,
  read,
  readlink,
  recvmsg,
  rseq,
  sched_getaffinity,
  sched_setaffinity,
  seccomp,
  sendmsg,
  setpgid,
  setrlimit,
  setsockopt,
  sigaction,
  sigmask,
  socket,
  socketpair,
  unlink,
  waitid_pid,
  waitid_pidfd,
  write,
  count_,
};

// The name by which OsError::operation() reports the call.
[[nodiscard]] const char* name(Sys sys) noexcept;

using FaultHook = int (*)(Sys) noexcept;

// Installs `hook`, or none when it is null, and returns the one before.
FaultHook set_fault_hook(FaultHook hook) noexcept;

namespace detail {

extern constinit std::atomic<FaultHook> fault_hook;

}  // namespace detail

// Whether a hook is installed; what was learned while one is must not be remembered.
[[nodiscard]] inline bool fault_hook_installed() noexcept {
  return detail::fault_hook.load(std::memory_order_relaxed) != nullptr;
}

// The errno that a test wants this call to fail with; 0 to make it.
[[nodiscard]] inline int fault(Sys sys) noexcept {
  // Relaxed: a hook is a function, there is nothing behind the pointer to be made visible.
  const FaultHook hook = detail::fault_hook.load(std::memory_order_relaxed);
  return hook == nullptr ? 0 : hook(sys);
}

// What a call answered: its value, or the errno (`error` is 0 when it succeeded).
template <class T>
struct Outcome {
  T value;
  int error;
  Sys sys;

  [[nodiscard]] bool ok() const noexcept { return error == 0; }
};

namespace detail {

// The value by which a call says that errno has the reason: -1, or MAP_FAILED.
template <class T>
[[nodiscard]] T failure_value() noexcept {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<T>(~std::uintptr_t{0});
  } else {
    return static_cast<T>(-1);
  }
}

[[noreturn]] void throw_os_error(int error, Sys sys, std::string_view detail);

}  // namespace detail

// Makes one call, once.
template <class Call>
[[nodiscard]] auto call_once(Sys sys, const Call& make) noexcept {
  using T = decltype(make());
  if (const int injected = fault(sys); injected != 0) [[unlikely]] {
    return Outcome<T>{detail::failure_value<T>(), injected, sys};
  }
  const T value = make();
  return Outcome<T>{value, value == detail::failure_value<T>() ? errno : 0, sys};
}

// Makes one call, again as often as a signal interrupts it.
template <class Call>
[[nodiscard]] auto call(Sys sys, const Call& make) noexcept {
  for (;;) {
    if (const auto outcome = call_once(sys, make); outcome.error != EINTR) {
      return outcome;
    }
  }
}

// Makes one call that answers with an error number, and returns that number.
template <class Call>
[[nodiscard]] int call_status(Sys sys, const Call& make) noexcept {
  const int injected = fault(sys);
  return injected != 0 ? injected : make();
}

// Returns the call's value; throws OsError, which names the call and `detail`, if it failed.
template <class T>
T check(const Outcome<T>& outcome, std::string_view detail = {}) {
  if (outcome.error != 0) [[unlikely]] {
    detail::throw_os_error(outcome.error, outcome.sys, detail);
  }
  return outcome.value;
}

// The same for an error number; 0 is success.
inline void check(int error, Sys sys, std::string_view detail = {}) {
  if (error != 0) [[unlikely]] {
    detail::throw_os_error(error, sys, detail);
  }
}

// Remembers whether the kernel lets us make a call, once asked. ENOSYS (an older kernel) and EPERM
// (a seccomp filter) both mean no. Nothing is remembered while a fault hook is installed.
class Probe {
 public:
  template <class Ask>
  [[nodiscard]] bool known(const Ask& ask) noexcept {
    // Relaxed, as is the store: the answer is the same whoever asked.
    const State state = state_.load(std::memory_order_relaxed);
    if (state != State::unknown && !fault_hook_installed()) [[likely]] {
      return state == State::yes;
    }
    const bool answer = ask();
    if (!fault_hook_installed()) {
      state_.store(answer ? State::yes : State::no, std::memory_order_relaxed);
    }
    return answer;
  }

 private:
  enum class State : std::uint8_t { unknown, yes, no };
  std::atomic<State> state_{State::unknown};
};

// Whether an error says that the call does not exist here or is forbidden, so that its
// predecessor is to be used.
[[nodiscard]] constexpr bool is_unavailable(int error) noexcept {
  return error == ENOSYS || error == EPERM;
}

}  // namespace mp::os
