// SPDX-License-Identifier: Apache-2.0
// mp/connection/file_descriptor.hpp — an open file as a message.
//
//     connection.send(mp::FileDescriptor::duplicate(fd));
//     auto file = connection.recv<mp::FileDescriptor>();     // in the other process
//
// The receiver gets a descriptor of its own, close-on-exec, for the same open file.
//
// Threads:   distinct objects are independent.
// Processes: can be sent through a Connection over a unix socket, alone or inside other values, at
//            most 253 in one message; through nothing else.
// Crash:     the kernel closes what was on its way when nobody is left to receive it.
// Owns:      the descriptor.
// Throws:    duplicate: OsError (EBADF, EMFILE). Sending elsewhere: UsageError.
// Python:    multiprocessing.reduction.DupFd.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "mp/base/export.hpp"
#include "mp/codec/traits.hpp"

namespace mp {

class MP_API FileDescriptor {
 public:
  // None.
  FileDescriptor() noexcept = default;
  // Takes possession of `fd`.
  explicit FileDescriptor(int fd) noexcept : fd_{fd} {}
  // A second descriptor for the open file that `fd` is for.
  [[nodiscard]] static FileDescriptor duplicate(int fd);
  FileDescriptor(FileDescriptor&& other) noexcept : fd_{other.release()} {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();

  // The descriptor, -1 when there is none.
  [[nodiscard]] int fileno() const noexcept { return fd_; }
  // Gives it away.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

template <>
struct codec<FileDescriptor> {
  static constexpr std::string_view kName = "mp.FileDescriptor";
  static constexpr std::size_t kMinSize = 1;
  static constexpr bool kFixed = true;
  // The byte says whether there is one.
  static void write(auto& out, const FileDescriptor& file) {
    out.write_raw(static_cast<std::uint8_t>(file.fileno() >= 0));
    if (file.fileno() >= 0) {
      out.put_fd(file.fileno(), "a FileDescriptor");
    }
  }
  static FileDescriptor read(Reader& in) {
    return in.read_choice(2) == 0 ? FileDescriptor{}
                                  : FileDescriptor{in.take_fd("a FileDescriptor")};
  }
};

}  // namespace mp
