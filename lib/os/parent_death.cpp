// SPDX-License-Identifier: Apache-2.0
#include "os/parent_death.hpp"

#include <atomic>
#include <cstdlib>

#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/signal.hpp"

namespace mp::os {

namespace {

// Read by the handler; written once before it is installed.
[[gnu::section("mp_at_fork")]] volatile int expected_parent = 0;
constexpr int kOrphanStatus = 1;

[[gnu::hot]] void on_parent_thread_end(int) {
  if (::getppid() != expected_parent) {
    ::_exit(kOrphanStatus);
  }
}

}  // namespace

[[gnu::hot]] void die_with_parent(int parent_pid) {
  expected_parent = parent_pid;
  const int signal = realtime_signal(1);
  set_handler(signal, on_parent_thread_end);
  set_signal_mask(signal_mask() & ~signal_bit(signal));
  set_parent_death_signal(signal);
  on_parent_thread_end(signal);  // it may have gone before the kernel knew
}

[[gnu::hot]] void at_exit_first(void (*function)(int status)) {
  // Handlers run in reverse order, and what main registered in a forked child's past came before.
  ::on_exit([](int status, void* f) { reinterpret_cast<void (*)(int)>(f)(status); },
            reinterpret_cast<void*>(function));
}

void at_exit(void (*function)()) {
  std::atexit(function);
}

namespace {

std::atomic<unsigned> internal_threads{0};

}  // namespace

InternalThreads::InternalThreads(unsigned count) noexcept {
  internal_threads.fetch_add(count, std::memory_order_relaxed);
}

void internal_thread_ends() noexcept {
  internal_threads.fetch_sub(1, std::memory_order_relaxed);
}

bool has_other_threads() noexcept {
  if (__libc_single_threaded != 0) {
    return false;
  }
  // A directory's links: itself, its name, and one for each subdirectory, which are the threads.
  struct stat tasks {};
  return ::stat("/proc/self/task", &tasks) != 0 ||
         tasks.st_nlink > 3 + internal_threads.load(std::memory_order_relaxed);
}

}  // namespace mp::os
