// SPDX-License-Identifier: Apache-2.0
#include "os/robust_mutex.hpp"

#include <cerrno>
#include <ctime>

#include <pthread.h>

#include "os/check.hpp"

namespace mp::os {

namespace {

static_assert(sizeof(pthread_mutex_t) <= kRobustMutexSize && alignof(pthread_mutex_t) <= 8);

pthread_mutex_t* mutex_in(std::byte* storage) noexcept {
  return reinterpret_cast<pthread_mutex_t*>(storage);
}

int lock_until(pthread_mutex_t* mutex, Deadline until) {
  if (until.is_never()) {
    return ::pthread_mutex_lock(mutex);
  }
  if (const int quick = ::pthread_mutex_trylock(mutex); quick != EBUSY || until.passed()) {
    return quick;
  }
  const std::int64_t ns = until.nanoseconds();
  const timespec moment{ns / 1'000'000'000, ns % 1'000'000'000};
  return ::pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &moment);
}

}  // namespace

void robust_init(std::byte* storage) {
  pthread_mutexattr_t attributes;
  check(::pthread_mutexattr_init(&attributes), Sys::pthread_mutex);
  (void)::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  (void)::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  (void)::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  const int error = call_status(
      Sys::pthread_mutex, [&] { return ::pthread_mutex_init(mutex_in(storage), &attributes); });
  (void)::pthread_mutexattr_destroy(&attributes);
  check(error, Sys::pthread_mutex);
}

Robust robust_lock(std::byte* storage, Deadline until) {
  const int error = lock_until(mutex_in(storage), until);
  switch (error) {
    case 0:
      return Robust::taken;
    case EBUSY:
    case ETIMEDOUT:
      return Robust::busy;
    case EOWNERDEAD:
      return Robust::owner_died;
    default:
      detail::throw_os_error(error, Sys::pthread_mutex, "lock");
  }
}

void robust_unlock(std::byte* storage) noexcept {
  (void)::pthread_mutex_unlock(mutex_in(storage));
}

void robust_go_on(std::byte* storage) noexcept {
  (void)::pthread_mutex_consistent(mutex_in(storage));
}

}  // namespace mp::os
