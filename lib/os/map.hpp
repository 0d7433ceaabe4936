// SPDX-License-Identifier: Apache-2.0
// os/map.hpp — mappings of files into the address space, and advice about their pages.
//
// The functions that can fail for want of memory or address space return the error instead of
// throwing: their callers try again with less, or turn it into OutOfMemory.
//
// Threads: everything may be called from any thread.
// Owns:    nothing; who maps also unmaps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "os/check.hpp"

namespace mp::os {

[[nodiscard]] std::size_t page_size() noexcept;

// Maps `size` bytes of the file from its beginning, readable, writable, shared, without reserving
// memory; `size` may be far longer than the file. `hint` is where, if that is free.
[[nodiscard]] Outcome<void*> map_shared(int fd, std::size_t size, void* hint = nullptr) noexcept;

// Maps `size` bytes of the file from `offset`, a multiple of the page size, for reading alone.
[[nodiscard]] Outcome<void*> map_for_reading(int fd, std::uint64_t offset,
                                             std::size_t size) noexcept;

// Takes address space that nothing can be read from or written to.
[[nodiscard]] Outcome<void*> reserve(std::size_t size) noexcept;

void unmap(void* address, std::size_t size) noexcept;

// Makes the pages of [address, address + size) exist, which is `offset` in the file `fd`, so that
// no later store can raise SIGBUS; the file grows if it ends before. Returns 0 or the error:
// ENOSPC, ENOMEM, EFBIG.
[[nodiscard]] int commit_pages(int fd, std::uint64_t offset, void* address,
                               std::size_t size) noexcept;

// Gives whole pages inside the range back to the system, for all processes; they read as zeros
// afterwards. Returns 0 or the error.
[[nodiscard]] int release_pages(void* address, std::size_t size) noexcept;

// Leaves the range out of core dumps. Returns 0 or the error.
int dont_dump(void* address, std::size_t size) noexcept;
// Leaves the range out of children made by fork from now on, or takes that back.
int dont_fork(void* address, std::size_t size, bool off = true) noexcept;

}  // namespace mp::os
