// SPDX-License-Identifier: Apache-2.0
// mp/base/bytes.hpp — owned bytes, and views of bytes owned by somebody else.
//
// Bytes is a std::vector<std::byte> whose new elements are left uninitialised: a message of a
// megabyte is about to be overwritten, and zeroing it first would cost as much as copying it.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace mp {

namespace detail {

// An allocator that default-initialises where std::allocator value-initialises.
template <class T>
struct UninitializedAllocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = UninitializedAllocator<U>;
  };
  UninitializedAllocator() = default;
  template <class U>
  UninitializedAllocator(const UninitializedAllocator<U>&) noexcept {}

  template <class U>
  void construct(U* place) noexcept {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Args>
  void construct(U* place, Args&&... args) {
    ::new (static_cast<void*>(place)) U(std::forward<Args>(args)...);
  }
};

}  // namespace detail

// Owned bytes. `Bytes(n)` and `resize(n)` leave new bytes uninitialised.
using Bytes = std::vector<std::byte, detail::UninitializedAllocator<std::byte>>;

// A view of bytes that somebody else owns.
using ByteView = std::span<const std::byte>;

// A view of bytes that somebody else owns and the holder of the view may write.
using MutableByteView = std::span<std::byte>;

// Copies `size` bytes that do not overlap. Unlike memcpy it takes nullptr where `size` is 0.
inline void copy_bytes(void* to, const void* from, std::size_t size) noexcept {
  if (size != 0) {
    std::memcpy(to, from, size);
  }
}

}  // namespace mp
