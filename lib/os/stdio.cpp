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

// Whether nothing waits in the stream to be written. By its members where they tell, since every
// page of libc that a child runs on must be mapped first.
bool is_empty(const std::FILE* stream) noexcept {
  const bool is_wide = stream->_mode > 0;
  return is_wide ? ::__fpending(const_cast<std::FILE*>(stream)) == 0
                 : stream->_IO_write_ptr == stream->_IO_write_base;
}

// Flushes a stream unless another thread is using it; whether nothing is left in it. One that holds
// nothing is only looked at: taking its lock would copy its page after every fork.
[[gnu::hot]] bool try_flush(std::FILE* stream) noexcept {
  if (is_empty(stream)) {
    return true;
  }
  if (::ftrylockfile(stream) != 0) {
    return false;
  }
  (void)::fflush_unlocked(stream);  // what stdout cannot take is its owner's error, not ours
  ::funlockfile(stream);
  return true;
}

template <class Char>
bool is_synced(std::basic_streambuf<Char>* buffer) noexcept {
  return dynamic_cast<__gnu_cxx::stdio_sync_filebuf<Char>*>(buffer) != nullptr;
}

// Flushes a C++ stream that has a buffer of its own. One that is synchronised with stdio has
// none: its flush is fflush, which would wait for the lock that try_flush only tries. `synced` is
// the buffer it had when the program began, if that was such a one: the common case is told by the
// address, without the type.
template <class Char>
[[gnu::hot]] void flush_own_buffer(std::basic_ostream<Char>& stream,
                                   const std::basic_streambuf<Char>* synced) noexcept {
  auto* buffer = stream.rdbuf();
  if (buffer == nullptr || buffer == synced || is_synced(buffer)) {
    return;
  }
  try {
    buffer->pubsync();
  } catch (...) {
    // A user's own buffer may throw; the start of a child is not its business.
  }
}

// Null until this file is initialised.
template <class Char>
struct Synced {
  const std::basic_streambuf<Char>* out;
  const std::basic_streambuf<Char>* log;
};
constinit Synced<char> narrow{};
constinit Synced<wchar_t> wide{};

[[maybe_unused]] const bool looked = [] {
  const auto if_synced = [](auto& stream) {
    return is_synced(stream.rdbuf()) ? stream.rdbuf() : nullptr;
  };
  narrow = {if_synced(std::cout), if_synced(std::clog)};
  wide = {if_synced(std::wcout), if_synced(std::wclog)};
  return true;
}();

// Where a child writes anyhow, so that it need not have another page mapped.
[[gnu::section("mp_at_fork")]] char null_device[] = "/dev/null";

}  // namespace

[[gnu::hot]] bool flush_output() noexcept {
  flush_own_buffer(std::cout, narrow.out);
  flush_own_buffer(std::clog, narrow.log);
  flush_own_buffer(std::wcout, wide.out);
  flush_own_buffer(std::wclog, wide.log);
  const bool flushed = try_flush(stdout);
  return try_flush(stderr) && flushed;
}

[[gnu::hot]] void drop_inherited_output() noexcept {
  for (std::FILE* stream : {stdout, stderr}) {
    if (!is_empty(stream)) {
      ::__fpurge(stream);
    }
  }
}

[[gnu::hot]] void detach_stdin() {
  Fd null = open_file(null_device, O_RDONLY);
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
