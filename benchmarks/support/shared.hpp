// SPDX-License-Identifier: Apache-2.0
// support/shared.hpp — shared memory for the processes of a benchmark.
#pragma once

#include <new>

#include <sys/mman.h>

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

}  // namespace mp::bench
