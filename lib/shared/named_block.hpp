// SPDX-License-Identifier: Apache-2.0
// shared/named_block.hpp — a mapped file of named shared memory: what SharedMemory, ShareableList
// and Segment rest upon.
//
// Owns:   the descriptor and the mapping.
// Throws: as SharedMemory.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "mp/base/bytes.hpp"

#include "memory/names.hpp"
#include "os/fd.hpp"
#include "os/shm.hpp"

namespace mp::detail {

// Throws UsageError unless `name` can be the name of a file of shared memory.
void expect_name(const std::string& name);
// The same for a size.
void expect_size(std::size_t size);
// "psm_" and eight random hexadecimal digits.
[[nodiscard]] std::string make_name();

class NamedBlock {
 public:
  // Returns null if there is a block of that name already.
  static std::shared_ptr<NamedBlock> create(const std::string& name, std::size_t size,
                                            unsigned mode, bool track);
  static std::shared_ptr<NamedBlock> open(const std::string& name);

  NamedBlock(os::Fd fd, const os::FileIdentity& file);
  NamedBlock(const NamedBlock&) = delete;
  NamedBlock& operator=(const NamedBlock&) = delete;
  ~NamedBlock();

  [[nodiscard]] MutableByteView bytes() const noexcept { return bytes_; }
  [[nodiscard]] const os::FileIdentity& file() const noexcept { return file_; }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  void read(std::size_t offset, MutableByteView into) const;
  void write(std::size_t offset, ByteView from) const;
  void check() const;

  // The name of this block goes; that of another block stays, and OsError is thrown. `fd` is the
  // block's, if it is open.
  static void unlink(const std::string& name, const os::FileIdentity& file, int fd = -1);

 private:
  void expect_inside(std::size_t offset, std::size_t size) const;

  os::Fd fd_;
  os::FileIdentity file_;
  MutableByteView bytes_;
};

}  // namespace mp::detail
