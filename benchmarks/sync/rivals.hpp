// SPDX-License-Identifier: Apache-2.0
// benchmarks/sync/rivals.hpp — the system's own locks under the names of ours, and shared memory
// for the processes of a benchmark.
#pragma once

#include <new>

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace mp::bench {

// A T that forked children share.
template <class T>
class Shared {
 public:
  Shared()
      : object_{::new (::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0)) T{}} {}
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { ::munmap(object_, sizeof(T)); }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }

 private:
  T* object_;
};

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

}  // namespace mp::bench
