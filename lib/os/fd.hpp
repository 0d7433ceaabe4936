// SPDX-License-Identifier: Apache-2.0
// os/fd.hpp — the owner of a file descriptor.
//
// Every descriptor that mp makes is close-on-exec from birth, so an exec in another thread never
// carries one away.
//
// Threads: distinct Fds are independent; one Fd is used by one thread at a time.
// Owns:    the descriptor, until release(), reset() or the destructor.
// Throws:  duplicate() throws OsError (EMFILE). Closing reports nothing: the descriptor is gone
//          whatever close() answers, and closing again could hit somebody else's.
#pragma once

#include <utility>

namespace mp::os {

class Fd;

// A second, close-on-exec descriptor for the open file that somebody else's `fd` is for.
[[nodiscard]] Fd duplicate(int fd, int lowest = 0);

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_{fd} {}
  Fd(Fd&& other) noexcept : fd_{other.release()} {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset(other.release());
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  // Closes the descriptor, if there is one, and owns `fd` instead.
  void reset(int fd = -1) noexcept;
  // Gives the descriptor away; -1 if there was none.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  // A second descriptor for the same open file, close-on-exec, numbered `lowest` or above.
  [[nodiscard]] Fd duplicate(int lowest = 0) const;

  // The descriptor; -1 if there is none.
  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Sets or clears close-on-exec: cleared only in a child that is about to be somebody else.
void set_close_on_exec(int fd, bool on);

// Opens a file, close-on-exec. `flags` and `mode` as for open(2).
[[nodiscard]] Fd open_file(const char* path, int flags, unsigned mode = 0);

}  // namespace mp::os
