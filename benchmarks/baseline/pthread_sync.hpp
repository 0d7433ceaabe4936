// SPDX-License-Identifier: Apache-2.0
// baseline/pthread_sync.hpp — the C library's primitives between processes, under our names.
#pragma once

#include <cerrno>
#include <semaphore.h>

#include <pthread.h>

#include "support/shared.hpp"

namespace mp::bench {

// pthread_mutex_t between processes, robust or plain.
template <bool kRobust>
class PthreadLock {
 public:
  PthreadLock() {
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (kRobust) {
      ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    }
    ::pthread_mutex_init(&*mutex_, &attributes);
    ::pthread_mutexattr_destroy(&attributes);
  }
  void lock() {
    if (::pthread_mutex_lock(&*mutex_) == EOWNERDEAD) {
      ::pthread_mutex_consistent(&*mutex_);
    }
  }
  void unlock() { ::pthread_mutex_unlock(&*mutex_); }

 private:
  Shared<pthread_mutex_t> mutex_;
};
using PthreadPlain = PthreadLock<false>;
using PthreadRobust = PthreadLock<true>;

// sem_t between processes.
class SemT {
 public:
  explicit SemT(unsigned permits) { ::sem_init(&*semaphore_, 1, permits); }
  void acquire() {
    while (::sem_wait(&*semaphore_) != 0) {
    }
  }
  void release() { ::sem_post(&*semaphore_); }

 private:
  Shared<sem_t> semaphore_;
};

// pthread_cond_t between processes, with a plain mutex.
class PthreadCondition {
 public:
  PthreadCondition() {
    pthread_condattr_t attributes;
    ::pthread_condattr_init(&attributes);
    ::pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_cond_init(&state_->changed, &attributes);
    ::pthread_condattr_destroy(&attributes);
    pthread_mutexattr_t shared;
    ::pthread_mutexattr_init(&shared);
    ::pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    ::pthread_mutex_init(&state_->mutex, &shared);
    ::pthread_mutexattr_destroy(&shared);
  }
  void lock() { ::pthread_mutex_lock(&state_->mutex); }
  void unlock() { ::pthread_mutex_unlock(&state_->mutex); }
  void wait() { ::pthread_cond_wait(&state_->changed, &state_->mutex); }
  void notify_one() { ::pthread_cond_signal(&state_->changed); }

 private:
  struct State {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
  };
  Shared<State> state_;
};

// A flag that processes wait for, as one writes it with the above.
class PthreadEvent {
 public:
  void set() {
    changed_.lock();
    *flag_ = true;
    changed_.notify_one();
    changed_.unlock();
  }
  void clear() {
    changed_.lock();
    *flag_ = false;
    changed_.unlock();
  }
  void wait() {
    changed_.lock();
    while (!*flag_) {
      changed_.wait();
    }
    changed_.unlock();
  }

 private:
  PthreadCondition changed_;
  Shared<bool> flag_;
};

// pthread_barrier_t between processes.
class PthreadBarrier {
 public:
  explicit PthreadBarrier(unsigned parties) {
    pthread_barrierattr_t attributes;
    ::pthread_barrierattr_init(&attributes);
    ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_barrier_init(&*barrier_, &attributes, parties);
    ::pthread_barrierattr_destroy(&attributes);
  }
  void wait() { ::pthread_barrier_wait(&*barrier_); }

 private:
  Shared<pthread_barrier_t> barrier_;
};

}  // namespace mp::bench
