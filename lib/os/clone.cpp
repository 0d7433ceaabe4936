// SPDX-License-Identifier: Apache-2.0
// Design
//
// The first of these that the kernel and its filters allow: clone3 with a pidfd (5.3); clone with
// a pidfd (5.2; Docker's default filter answers ENOSYS to clone3); clone without, and pidfd_open.
//
// libc caches the thread's id in the thread's control block, for robust and recursive mutexes and
// for raise(). fork() has the kernel write the child's id there; so do we. Where "there" is libc
// does not tell, but the kernel knows: it clears that word when the thread ends.
#include "os/clone.hpp"

#include <cerrno>
#include <csignal>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "os/check.hpp"
#include "os/fork_hook.hpp"
#include "os/pidfd.hpp"
#include "os/proc.hpp"
#include "os/robust.hpp"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef SYS_clone3
#define SYS_clone3 435  // the same number on every architecture
#endif

namespace mp::os {

namespace {

// The kernel's struct clone_args in its first version.
struct CloneArgs {
  std::uint64_t flags;
  std::uint64_t pidfd;
  std::uint64_t child_tid;
  std::uint64_t parent_tid;
  std::uint64_t exit_signal;
  std::uint64_t stack;
  std::uint64_t stack_size;
  std::uint64_t tls;
};
static_assert(sizeof(CloneArgs) == 64);

// Where libc keeps this thread's id; null if that cannot be found.
int* libc_thread_id() noexcept {
  const int id = thread_id();
  int* word = nullptr;
  const auto asked = call(Sys::prctl, [&] { return ::prctl(PR_GET_TID_ADDRESS, &word); });
  if (asked.ok() && word != nullptr && *word == id) {
    return word;
  }
  // A kernel without checkpointing does not tell. In glibc the id is two words before the robust
  // list's head.
  if (auto* head = detail::find_robust_head(); head != nullptr) {
    word = reinterpret_cast<int*>(head) - 4;
    if (*word == id) {
      return word;
    }
  }
  return nullptr;
}

std::uint64_t address(const void* pointer) noexcept {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

long raw_clone(unsigned long flags, int* pidfd, int* child_tid) noexcept {
#if defined(__x86_64__)
  return ::syscall(SYS_clone, flags, nullptr, pidfd, child_tid, nullptr);
#else
  return ::syscall(SYS_clone, flags, nullptr, pidfd, nullptr, child_tid);
#endif
}

Outcome<long> clone_any(std::uint64_t flags, int* pidfd, int* tid) noexcept {
  // With CLONE_PARENT the signal is that of the caller's own end, and none may be named.
  const bool sibling = (flags & CLONE_PARENT) != 0;
  CloneArgs args{};
  args.flags = flags | CLONE_PIDFD;
  args.pidfd = address(pidfd);
  args.child_tid = address(tid);
  args.exit_signal = sibling ? 0 : SIGCHLD;
  auto made = call(Sys::clone3, [&] { return ::syscall(SYS_clone3, &args, sizeof(args)); });
  if (!is_unavailable(made.error)) {
    return made;
  }
  made =
      call(Sys::clone_pidfd, [&] { return raw_clone(flags | CLONE_PIDFD | SIGCHLD, pidfd, tid); });
  if (!is_unavailable(made.error) && made.error != EINVAL) {
    return made;
  }
  return call(Sys::clone, [&] { return raw_clone(flags | SIGCHLD, nullptr, tid); });
}

}  // namespace

Child clone_process(Relation relation) {
  // Looked up before the clone: the child, in which nothing works yet, resets both.
  int* const tid = libc_thread_id();
  detail::RobustHead* const robust = detail::find_robust_head();
  if (tid == nullptr || robust == nullptr) {
    detail::throw_os_error(ENOTSUP, Sys::clone, "libc's thread id or robust list is hidden");
  }
  std::uint64_t flags = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  if (relation == Relation::sibling) {
    flags |= CLONE_PARENT;
  }
  int pidfd = -1;
  run_prepare_hooks();
  Outcome<long> made{};
  {
    const SignalBlock no_handlers;  // none shall see a child that is not whole yet
    made = clone_any(flags, &pidfd, tid);
    if (made.ok() && made.value == 0) {
      detail::reset_robust_list(robust);
    }
  }
  if (made.ok() && made.value == 0) {
    run_child_hooks();
    return Child{0, Fd{}};
  }
  run_parent_hooks();
  Child child{static_cast<int>(check(made)), Fd{pidfd}};
  if (!child.pidfd) {
    try {
      child.pidfd = pidfd_open(child.pid);
    } catch (const OsError&) {
      // It runs, without a descriptor (EMFILE), or is reaped already (SIGCHLD is ignored).
    }
  }
  return child;
}

[[gnu::hot]] Child fork_process() {
  Child child;
  child.pid = check(call(Sys::fork, [] { return ::fork(); }));
  if (child.pid > 0) {
    try {
      child.pidfd = pidfd_open(child.pid);
    } catch (const OsError&) {
      // It is waited for by its pid then.
    }
  }
  return child;
}

}  // namespace mp::os
