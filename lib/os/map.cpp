// SPDX-License-Identifier: Apache-2.0
#include "os/map.hpp"

#include <cerrno>

#include <sys/mman.h>
#include <unistd.h>

#include "os/memfd.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14
#endif

namespace mp::os {

namespace {

int advise(Sys sys, void* address, std::size_t size, int advice) noexcept {
  return call(sys, [&] { return ::madvise(address, size, advice); }).error;
}

}  // namespace

std::size_t page_size() noexcept {
  return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

Outcome<void*> map_shared(int fd, std::size_t size, void* hint) noexcept {
  return call(Sys::mmap, [&] {
    return ::mmap(hint, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  });
}

Outcome<void*> map_for_reading(int fd, std::uint64_t offset, std::size_t size) noexcept {
  return call(Sys::mmap, [&] {
    return ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  });
}

Outcome<void*> reserve(std::size_t size) noexcept {
  return call(Sys::mmap, [&] {
    return ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  });
}

void unmap(void* address, std::size_t size) noexcept {
  if (address != nullptr && size != 0) {
    (void)call(Sys::munmap, [&] { return ::munmap(address, size); });
  }
}

int commit_pages(int fd, std::uint64_t offset, void* address, std::size_t size) noexcept {
  const std::uintptr_t mask = page_size() - 1;
  const auto from = reinterpret_cast<std::uintptr_t>(address);
  const std::uintptr_t begin = from & ~mask;
  const std::uintptr_t end = (from + size + mask) & ~mask;
  const int error = advise(Sys::madvise_populate, reinterpret_cast<void*>(begin), end - begin,
                           MADV_POPULATE_WRITE);
  // EINVAL is how an older kernel says that it does not know the advice. EFAULT says that a store
  // would raise SIGBUS, but not why; fallocate then either cures it or has the reason.
  if (error == EINVAL || error == EFAULT || is_unavailable(error)) {
    return allocate_file(fd, offset, size);
  }
  return error;
}

int release_pages(void* address, std::size_t size) noexcept {
  const std::uintptr_t mask = page_size() - 1;
  const auto from = reinterpret_cast<std::uintptr_t>(address);
  const std::uintptr_t begin = (from + mask) & ~mask;
  const std::uintptr_t end = (from + size) & ~mask;
  if (begin >= end) {
    return 0;
  }
  return advise(Sys::madvise_remove, reinterpret_cast<void*>(begin), end - begin, MADV_REMOVE);
}

int dont_dump(void* address, std::size_t size) noexcept {
  return advise(Sys::madvise_dontdump, address, size, MADV_DONTDUMP);
}

int dont_fork(void* address, std::size_t size, bool off) noexcept {
  return advise(Sys::madvise_dontfork, address, size, off ? MADV_DONTFORK : MADV_DOFORK);
}

}  // namespace mp::os
