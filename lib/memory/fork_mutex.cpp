// SPDX-License-Identifier: Apache-2.0
#include "memory/fork_mutex.hpp"

#include "os/fork_hook.hpp"

namespace mp::memory {

// All of them, by rank. Filled by static constructors, before there are threads.
struct ForkMutexes {
  static inline ForkMutex* first = nullptr;

  static void add(ForkMutex* mutex) {
    if (first == nullptr) {
      os::at_fork(lock_all, unlock_all, unlock_all);
    }
    ForkMutex** place = &first;
    while (*place != nullptr && (*place)->rank_ <= mutex->rank_) {
      place = &(*place)->next_;
    }
    mutex->next_ = *place;
    *place = mutex;
  }
  static void lock_all() {
    for (ForkMutex* mutex = first; mutex != nullptr; mutex = mutex->next_) {
      mutex->mutex_.lock();
    }
  }
  [[gnu::hot]] static void unlock_all() {
    for (ForkMutex* mutex = first; mutex != nullptr; mutex = mutex->next_) {
      mutex->mutex_.unlock();
    }
  }
};

ForkMutex::ForkMutex(int rank) noexcept : rank_{rank} {
  ForkMutexes::add(this);
}

}  // namespace mp::memory
