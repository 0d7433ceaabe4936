// SPDX-License-Identifier: Apache-2.0
#include "os/stdio.hpp"

#include <cerrno>
#include <cstdio>
#include <ext/stdio_sync_filebuf.h>
#include <iostream>
#include <span>
#include <stdio_ext.h>

#include <fcntl.h>
#include <unistd.h>

#include "os/check.hpp"
#include "os/fd.hpp"
#include "os/poll.hpp"

namespace mp::os {

namespace {

// Flushes a stream unless another thread is using it; whether nothing is left in it. One that holds
// nothing is only looked at: taking its lock would copy its page after every fork.
bool try_flush(std::FILE* stream) noexcept {
  if (::__fpending(stream) == 0) {
    return true;
  }
  if (::ftrylockfile(stream) != 0) {
    return false;
  }
  (void)::fflush_unlocked(stream);  // what stdout cannot take is its owner's error, not ours
  ::funlockfile(stream);
  return true;
}

// Flushes a C++ stream that has a buffer of its own. One that is synchronised with stdio has
// none: its flush is fflush, which would wait for the lock that try_flush only tries.
template <class Char>
void flush_own_buffer(std::basic_ostream<Char>& stream) noexcept {
  try {
    auto* buffer = stream.rdbuf();
    if (buffer != nullptr &&
        dynamic_cast<__gnu_cxx::stdio_sync_filebuf<Char>*>(buffer) == nullptr) {
      buffer->pubsync();
    }
  } catch (...) {
    // A user's own buffer may throw; the start of a child is not its business.
  }
}

}  // namespace

bool flush_output() noexcept {
  flush_own_buffer(std::cout);
  flush_own_buffer(std::clog);
  flush_own_buffer(std::wcout);
  flush_own_buffer(std::wclog);
  const bool out = try_flush(stdout);
  return try_flush(stderr) && out;
}

void drop_inherited_output() noexcept {
  for (std::FILE* stream : {stdout, stderr}) {
    if (::__fpending(stream) != 0) {
      ::__fpurge(stream);
    }
  }
}

void detach_stdin() {
  Fd null = open_file("/dev/null", O_RDONLY);
  if (null.get() == STDIN_FILENO) {
    set_close_on_exec(null.release(), false);
  } else {
    check(call(Sys::dup, [&] { return ::dup2(null.get(), STDIN_FILENO); }), "stdin");
  }
  // Only looked at where there is nothing to forget: writing to it would copy its page.
  if (stdin->_IO_read_ptr != stdin->_IO_read_end || ::feof_unlocked(stdin) != 0 ||
      ::ferror_unlocked(stdin) != 0) {
    ::__fpurge(stdin);
    ::clearerr_unlocked(stdin);
  }
}

int write_all(int fd, ByteView bytes, Deadline until) noexcept {
  while (!bytes.empty()) {
    const auto written = call(Sys::write, [&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (written.ok()) {
      bytes = bytes.subspan(static_cast<std::size_t>(written.value));
      continue;
    }
    if (written.error != EAGAIN) {
      return written.error;
    }
    try {
      if (!wait_writable(fd, until)) {
        return ETIMEDOUT;
      }
    } catch (...) {
      return EAGAIN;  // poll itself cannot be had
    }
  }
  return 0;
}

void write_stderr(std::string_view text) noexcept {
  // A stderr that does not block, and whose reader is stuck, shall not hold us for ever.
  (void)write_all(STDERR_FILENO, std::as_bytes(std::span{text}), std::chrono::seconds{1});
}

}  // namespace mp::os
