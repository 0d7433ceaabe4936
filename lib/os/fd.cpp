// SPDX-License-Identifier: Apache-2.0
#include "os/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "os/check.hpp"

namespace mp::os {

[[gnu::hot]] void Fd::reset(int fd) noexcept {
  const int old = std::exchange(fd_, fd);
  if (old >= 0 && old != fd) {
    // Linux has freed the number even when close() answers EINTR: never a second time.
    (void)::close(old);
  }
}

Fd Fd::duplicate(int lowest) const {
  return os::duplicate(fd_, lowest);
}

Fd duplicate(int fd, int lowest) {
  return Fd{check(call(Sys::dup, [&] { return ::fcntl(fd, F_DUPFD_CLOEXEC, lowest); }))};
}

void set_close_on_exec(int fd, bool on) {
  check(call(Sys::fcntl, [&] { return ::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0); }), "FD_CLOEXEC");
}

[[gnu::hot]] Fd open_file(const char* path, int flags, unsigned mode) {
  const auto opened = call(Sys::open, [&] { return ::open(path, flags | O_CLOEXEC, mode); });
  return Fd{opened.ok() ? opened.value : check(opened, path)};
}

}  // namespace mp::os
