// SPDX-License-Identifier: Apache-2.0
#include "os/memfd.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "os/check.hpp"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U  // Linux 6.3
#endif

namespace mp::os {

namespace {

// Whether RLIMIT_FSIZE lets this process make a file `size` bytes long.
bool within_limit(std::uint64_t size) noexcept {
  rlimit limit{};
  const auto asked = call(Sys::getrlimit, [&] { return ::getrlimit(RLIMIT_FSIZE, &limit); });
  return !asked.ok() || limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur;
}

Outcome<int> size_of(int fd, std::uint64_t& size) noexcept {
  struct stat status {};
  const auto asked = call(Sys::fstat, [&] { return ::fstat(fd, &status); });
  size = static_cast<std::uint64_t>(status.st_size);
  return asked;
}

}  // namespace

Fd memfd_create(const char* name) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  // Not executable where the kernel can say so: some systems (vm.memfd_noexec=2) insist on it.
  // An older kernel answers EINVAL.
  const auto modern =
      call(Sys::memfd_noexec, [&] { return ::memfd_create(name, kFlags | MFD_NOEXEC_SEAL); });
  if (modern.ok()) {
    return Fd{modern.value};
  }
  if (modern.error != EINVAL && !is_unavailable(modern.error)) {
    check(modern, name);
  }
  return Fd{check(call(Sys::memfd_create, [&] { return ::memfd_create(name, kFlags); }), name)};
}

std::uint64_t file_size(int fd) {
  std::uint64_t size = 0;
  check(size_of(fd, size));
  return size;
}

int grow_file(int fd, std::uint64_t size) noexcept {
  if (!within_limit(size)) {
    return EFBIG;
  }
  return call(Sys::ftruncate, [&] { return ::ftruncate(fd, static_cast<off_t>(size)); }).error;
}

int allocate_file(int fd, std::uint64_t offset, std::uint64_t size) noexcept {
  if (const std::uint64_t end = offset + size; !within_limit(end)) {
    // Only growth is limited: pages inside a file that is longer already may still be had.
    std::uint64_t now = 0;
    if (const int error = size_of(fd, now).error; error != 0) {
      return error;
    }
    if (end > now) {
      return EFBIG;
    }
  }
  return call(Sys::fallocate,
              [&] {
                return ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size));
              })
      .error;
}

void seal_against_shrinking(int fd) {
  check(call(Sys::fcntl, [&] { return ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK); }), "F_SEAL_SHRINK");
}

bool is_sealed_against_shrinking(int fd) noexcept {
  const auto seals = call(Sys::fcntl, [&] { return ::fcntl(fd, F_GET_SEALS); });
  return seals.ok() && (seals.value & F_SEAL_SHRINK) != 0;
}

}  // namespace mp::os
