// SPDX-License-Identifier: Apache-2.0
// os/file.hpp — files that are written once or only grow.
//
// Threads: one File is used by one thread at a time.
// Throws:  OsError, with the path.
#pragma once

#include <cstdint>
#include <string>

#include "mp/base/bytes.hpp"

#include "os/fd.hpp"

namespace mp::os {

class File {
 public:
  File() = default;
  // A new file that only its user can read. Throws when there is one of that name.
  static File create(const std::string& path);
  // For reading and appending; made when there is none.
  static File open(const std::string& path);
  // For reading alone.
  static File open_to_read(const std::string& path);

  [[nodiscard]] std::uint64_t size() const;
  // Reads up to `into.size()` bytes from `offset`; returns how many there were.
  std::size_t read_at(std::uint64_t offset, MutableByteView into) const;
  // Writes behind what is there: all, or it throws.
  void append(ByteView bytes);
  // Makes the file shorter.
  void truncate(std::uint64_t size);
  // Returns when everything that was written is on the disk.
  void sync();
  // Whether this process now holds the lock on the file, which goes with the File.
  [[nodiscard]] bool try_lock();

  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

 private:
  File(Fd fd, std::string path) : fd_{std::move(fd)}, path_{std::move(path)} {}
  Fd fd_;
  std::string path_;
};

// All of a file.
[[nodiscard]] Bytes read_file(const std::string& path);

}  // namespace mp::os
