// SPDX-License-Identifier: Apache-2.0
#include "os/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "os/check.hpp"

namespace mp::os {

StreamKind stderr_kind() noexcept {
  if (!call(Sys::fcntl, [] { return ::fcntl(STDERR_FILENO, F_GETFD); }).ok()) {
    return StreamKind::closed;
  }
  return ::isatty(STDERR_FILENO) == 1 ? StreamKind::terminal : StreamKind::file;
}

unsigned terminal_width() noexcept {
  constexpr unsigned kUsual = 80;
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : kUsual;
}

}  // namespace mp::os
