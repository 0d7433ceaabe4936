// SPDX-License-Identifier: Apache-2.0
// mp/shared/buffer.hpp — bytes in shared memory that change hands without being copied.
//
//     mp::Buffer render(int frame) {              // in a worker
//       mp::Buffer image{width * height * 4};
//       draw(image.bytes(), frame);
//       return image;                             // eight bytes travel
//     }
//     mp::Buffer image = pool.apply(render, 7);   // the very memory
//     std::span<float> pixels = image.as<float>();
//
// A Buffer as a result, argument or message of Pool, Queue or Pipe costs a handle, whatever its
// size. For elements of one type with a lock see Array.
//
// Threads:   a handle may be used by any number of threads; the bytes are guarded by nobody.
// Processes: a handle can be an argument, a message or a result; copies refer to the same bytes.
// Fork:      an inherited handle works.
// Crash:     the handles of a killed process count as gone; what it had sent is received.
// Owns:      the bytes live until the last handle in the last process is gone.
// Throws:    OutOfMemory; UsageError from as<T>() when the size is no multiple of T's.
// Python:    what pickle protocol 5 and SharedMemory are used for together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/contract.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/traits.hpp"
#include "mp/shared/window.hpp"

namespace mp {

class Buffer {
 public:
  // `size` bytes of zero, aligned to 64.
  explicit Buffer(std::size_t size) : window_{size, 1, detail::Window::Locked::no} {}
  // A copy of `bytes`, or of the elements of any contiguous range of plain data.
  explicit Buffer(ByteView bytes) : Buffer{bytes.size()} {
    copy_bytes(window_.data(), bytes.data(), bytes.size());
  }
  template <std::ranges::contiguous_range R>
  requires(!std::is_convertible_v<const R&, ByteView>) explicit Buffer(const R& range)
      : Buffer{std::as_bytes(std::span{std::ranges::data(range), std::ranges::size(range)})} {
    detail::require_shareable<std::ranges::range_value_t<R>>();
  }

  [[nodiscard]] std::size_t size() const noexcept { return window_.bytes(); }
  [[nodiscard]] MutableByteView bytes() const { return {window_.data(), size()}; }
  // The bytes as Ts.
  template <class T>
  [[nodiscard]] std::span<T> as() const {
    detail::require_shareable<std::remove_const_t<T>>();
    MP_EXPECTS(size() % sizeof(T) == 0, "the size of the Buffer is a multiple of the element's");
    return {reinterpret_cast<T*>(window_.data()), size() / sizeof(T)};
  }

  friend bool operator==(const Buffer& a, const Buffer& b) noexcept {
    return a.window_ == b.window_;
  }

 private:
  friend struct detail::RawWindowCodec<Buffer, std::byte>;
  static constexpr const char* kNoun = "a Buffer";
  explicit Buffer(detail::Window window) : window_{std::move(window)} {}

  detail::Window window_;
};

template <>
struct codec<Buffer> : detail::RawWindowCodec<Buffer, std::byte> {
  static constexpr std::string_view kName = "mp.Buffer";
};

}  // namespace mp
