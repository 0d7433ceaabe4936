// SPDX-License-Identifier: Apache-2.0
// shared/named_block.hpp — a file of named shared memory: what SharedMemory, ShareableList and
// Segment rest upon. It is mapped, and given real memory, when somebody asks for its bytes.
//
// Owns:   the descriptor and the mapping.
// Throws: as SharedMemory.
#pragma once

#include <atomic>
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

  NamedBlock(os::Fd fd, const os::FileIdentity& file) noexcept;
  NamedBlock(const NamedBlock&) = delete;
  NamedBlock& operator=(const NamedBlock&) = delete;
  ~NamedBlock();

  [[nodiscard]] std::size_t size() const noexcept { return file_.size; }
  // The bytes in this process, and memory behind them all. Throws OutOfMemory.
  [[nodiscard]] MutableByteView bytes() const {
    std::byte* const mapped = mapped_.load(std::memory_order_acquire);  // pairs with map()
    return {mapped != nullptr ? mapped : map(), size()};
  }
  [[nodiscard]] const os::FileIdentity& file() const noexcept { return file_; }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  void read(std::size_t offset, MutableByteView into) const;
  void write(std::size_t offset, ByteView from) const;
  void check() const;

  // The name of this block goes; that of another block stays, and OsError is thrown. `fd` is the
  // block's, if it is open.
  static void unlink(const std::string& name, const os::FileIdentity& file, int fd = -1);

 private:
  std::byte* map() const;
  void expect_inside(std::size_t offset, std::size_t size) const;

  os::Fd fd_;
  os::FileIdentity file_;
  mutable std::atomic<std::byte*> mapped_{nullptr};
};

}  // namespace mp::detail
