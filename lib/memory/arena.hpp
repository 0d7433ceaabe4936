// SPDX-License-Identifier: Apache-2.0
// memory/arena.hpp — the one shared memory of a process tree, mapped.
//
// A memfd under a long sparse mapping. The file is kept short and grown under the mapping; pages
// exist once they were committed. It is sealed against shrinking, left out of core dumps, mapped
// once per process and never unmapped, so addresses in it stay good for the life of the process;
// only an isolated child leaves it, before it runs anything.
//
// Threads:   everything here may be called from any thread.
// Processes: fork inherits the mapping; a spawned process attaches to the descriptor that its
//            parent passed. The address may differ, so only offsets are shared.
// Throws:    OutOfMemory when a file, page or address limit is met.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/arena_layout.hpp"

namespace mp::memory {

class Arena {
 public:
  // Makes the arena if this process has none, and returns it.
  static Arena& get();
  // Returns the arena or nullptr, without making one.
  static Arena* existing() noexcept;
  // Attaches to the arena behind `fd` (duplicated), as a spawned child does before main. Throws
  // UsageError when this process has an arena already, DecodeError when the file is no arena.
  static Arena& attach(int fd);
  // Unmaps the arena, if there is one, and makes sure that this process gets none: get() throws
  // WrongProcess from here on. For a forked child that must not touch what its tree shares.
  static void leave() noexcept;

  [[nodiscard]] layout::ArenaHeader& header() const noexcept { return *at<layout::ArenaHeader>(0); }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::byte* base() const noexcept { return base_; }

  template <class T>
  [[nodiscard]] T* at(std::uint64_t offset) const noexcept {
    return reinterpret_cast<T*>(base_ + offset);
  }
  [[nodiscard]] std::uint64_t offset_of(const volatile void* address) const noexcept {
    return static_cast<std::uint64_t>(static_cast<const volatile std::byte*>(address) - base_);
  }
  [[nodiscard]] bool contains(std::uint64_t offset, std::uint64_t size) const noexcept {
    return offset <= capacity_ && size <= capacity_ - offset;
  }

  // Makes the file at least `size` bytes long.
  void grow(std::uint64_t size);
  // Makes the pages of [offset, offset + size) exist, so that touching them cannot fail.
  void commit(std::uint64_t offset, std::uint64_t size);
  // Gives the pages that lie wholly inside [offset, offset + size) back; they read as zero then.
  // Returns whether the kernel took them.
  bool release(std::uint64_t offset, std::uint64_t size) noexcept;

 private:
  Arena() = default;
  static Arena* create();
  void map(int fd, std::uint64_t capacity);

  std::byte* base_ = nullptr;
  std::uint64_t capacity_ = 0;
  int fd_ = -1;
};

}  // namespace mp::memory
