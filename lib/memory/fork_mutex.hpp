// SPDX-License-Identifier: Apache-2.0
// memory/fork_mutex.hpp — a process-local mutex that a forked child never finds locked.
//
// Every ForkMutex is locked around fork() and unlocked on both sides, so what it guards is whole in
// the child. They live for ever (static objects), and nest only in the order of their rank.
#pragma once

#include <mutex>

namespace mp::memory {

class ForkMutex {
 public:
  // Around a fork, and where two are held, the lower rank is locked first: outer before inner.
  explicit ForkMutex(int rank) noexcept;
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  bool try_lock() { return mutex_.try_lock(); }

 private:
  friend struct ForkMutexes;
  std::mutex mutex_;
  int rank_;
  ForkMutex* next_ = nullptr;
};

}  // namespace mp::memory
