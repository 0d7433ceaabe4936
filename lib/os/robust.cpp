// SPDX-License-Identifier: Apache-2.0
#include "os/robust.hpp"

#include <cerrno>
#include <cstring>

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mp/base/contract.hpp"

#include "os/check.hpp"
#include "os/proc.hpp"

namespace mp::os {

static_assert(kLeaseSleepers == FUTEX_WAITERS);
static_assert(kLeaseDied == FUTEX_OWNER_DIED);
static_assert(kLeaseThread == FUTEX_TID_MASK);
static_assert(sizeof(pthread_mutex_t) <= sizeof(Lease) && alignof(pthread_mutex_t) <= 8);
static_assert(offsetof(pthread_mutex_t, __data.__lock) == 0, "the word is the mutex's first");
static_assert(sizeof(detail::RobustHead) == sizeof(robust_list_head));
static_assert(offsetof(detail::RobustHead, futex_offset) ==
              offsetof(robust_list_head, futex_offset));
static_assert(offsetof(detail::RobustHead, pending) == offsetof(robust_list_head, list_op_pending));

namespace {

pthread_mutex_t* mutex_of(Lease& lease) noexcept {
  return reinterpret_cast<pthread_mutex_t*>(lease.storage);
}

Word& word_of(Lease& lease) noexcept {
  return *reinterpret_cast<Word*>(lease.storage);
}

}  // namespace

void lease_init(Lease& lease) {
  pthread_mutexattr_t attributes;
  check(call_status(Sys::pthread_mutex, [&] { return ::pthread_mutexattr_init(&attributes); }),
        Sys::pthread_mutex, "init");
  // These can fail only for values that the platform does not know.
  (void)::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  (void)::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  std::memset(lease.storage, 0, sizeof(lease.storage));
  const int error = ::pthread_mutex_init(mutex_of(lease), &attributes);
  (void)::pthread_mutexattr_destroy(&attributes);
  check(error, Sys::pthread_mutex, "init");
}

bool lease_hold(Lease& lease) noexcept {
  const int error = ::pthread_mutex_trylock(mutex_of(lease));
  if (error == EOWNERDEAD) {
    MP_ENSURES(::pthread_mutex_consistent(mutex_of(lease)) == 0, "a dead lease can be taken over");
  } else if (error != 0) {
    return false;
  }
  // From the start, so that sleepers never have to write to the word: at death the kernel wakes
  // only where this bit is set.
  const std::uint32_t held = word_of(lease).fetch_or(kLeaseSleepers);
  // Not so in a child of a raw clone whose libc still believes it is its parent: the kernel would
  // not recognise the word at its death.
  MP_ENSURES((held & kLeaseThread) == static_cast<std::uint32_t>(thread_id()),
             "a lease holds its thread's id");
  return true;
}

void lease_release(Lease& lease) noexcept {
  // Another thread, or this one's process before a fork, may hold it.
  if ((word_of(lease).load(std::memory_order_relaxed) & kLeaseThread) ==
      static_cast<std::uint32_t>(thread_id())) {
    (void)::pthread_mutex_unlock(mutex_of(lease));
  }
}

bool have_pending_wake() noexcept {
  return detail::find_robust_head() != nullptr;
}

namespace detail {

thread_local constinit RobustHead* robust_head = nullptr;

RobustHead* find_robust_head() noexcept {
  RobustHead* head = nullptr;
  std::size_t size = 0;
  const auto asked =
      call(Sys::get_robust_list, [&] { return ::syscall(SYS_get_robust_list, 0, &head, &size); });
  if (!asked.ok() || size != sizeof(RobustHead)) {
    return nullptr;
  }
  if (!fault_hook_installed()) {
    robust_head = head;
  }
  return head;
}

void reset_robust_list(RobustHead* head) noexcept {
  // The kernel gives a new process no list; the head is still where libc keeps it, and libc's
  // copy still names the parent's mutexes.
  head->list = head;
  head->pending = nullptr;
  (void)::syscall(SYS_set_robust_list, head, sizeof(RobustHead));
}

}  // namespace detail

}  // namespace mp::os
