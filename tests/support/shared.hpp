// SPDX-License-Identifier: Apache-2.0
// support/shared.hpp — one object in memory that a test shares with the processes it forks.
//
// Anonymous MAP_SHARED memory: no name, gone with the last process. The object is destroyed by the
// process that made it; the copies of the handle in forked children own nothing.
#pragma once

#include <new>
#include <system_error>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace mp::test {

template <class T>
class Shared {
 public:
  template <class... Args>
  explicit Shared(Args&&... args) : maker_{::getpid()} {
    void* memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::system_error{errno, std::system_category(), "mmap"};
    }
    object_ = ::new (memory) T(std::forward<Args>(args)...);
  }

  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  ~Shared() {
    if (maker_ == ::getpid()) {
      object_->~T();
    }
    ::munmap(object_, sizeof(T));
  }

  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  T* get() const noexcept { return object_; }

 private:
  pid_t maker_;
  T* object_;
};

}  // namespace mp::test
