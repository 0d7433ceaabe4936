// SPDX-License-Identifier: Apache-2.0
// baseline/boost_sync.hpp — Boost.Interprocess' primitives under our names, and a lock of fcntl.
#pragma once

#include <boost/interprocess/sync/interprocess_condition.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_semaphore.hpp>
#include <cstdlib>
#include <mutex>
#include <new>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include "support/shared.hpp"

namespace mp::bench {

class BoostMutex {
 public:
  void lock() { mutex_->lock(); }
  void unlock() { mutex_->unlock(); }

 private:
  Shared<boost::interprocess::interprocess_mutex> mutex_;
};

class BoostSemaphore {
 public:
  explicit BoostSemaphore(unsigned permits) { semaphore_->emplace(permits); }
  void acquire() { (*semaphore_)->wait(); }
  void release() { (*semaphore_)->post(); }

 private:
  Shared<std::optional<boost::interprocess::interprocess_semaphore>> semaphore_;
};

class BoostCondition {
 public:
  void lock() { state_->mutex.lock(); }
  void unlock() { state_->mutex.unlock(); }
  void wait() {
    std::unique_lock held{state_->mutex, std::adopt_lock};
    state_->changed.wait(held);
    held.release();
  }
  void notify_one() { state_->changed.notify_one(); }

 private:
  struct State {
    boost::interprocess::interprocess_mutex mutex;
    boost::interprocess::interprocess_condition changed;
  };
  Shared<State> state_;
};

// The lock of a file that has no name. The kernel releases it when its holder dies.
class FcntlLock {
 public:
  FcntlLock() {
    char path[] = "/tmp/mp-bench-XXXXXX";
    fd_ = ::mkstemp(path);
    ::unlink(path);
  }
  FcntlLock(const FcntlLock&) = delete;
  FcntlLock& operator=(const FcntlLock&) = delete;
  ~FcntlLock() { ::close(fd_); }
  void lock() { set(F_WRLCK); }
  void unlock() { set(F_UNLCK); }

 private:
  void set(short kind) {
    struct flock whole {};
    whole.l_type = kind;
    while (::fcntl(fd_, F_SETLKW, &whole) != 0) {
    }
  }

  int fd_;
};

}  // namespace mp::bench
