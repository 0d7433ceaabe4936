// SPDX-License-Identifier: Apache-2.0
// connection/frame_layout.hpp — the bytes of a message on a socket.
//
//   up to 2^31 - 1 bytes:   | size: 4 | the message |
//   longer:                 | -1: 4   | size: 8     | the message |
//
// Sizes are big-endian, the first one signed. Nothing tells one kind of message from another. A
// message of no bytes is legal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "mp/base/bytes.hpp"

namespace mp::layout {

inline constexpr std::size_t kShortFrameHead = 4;
inline constexpr std::size_t kLongFrameHead = 12;
inline constexpr std::uint64_t kLongestShortFrame = 0x7fffffff;

struct FrameHead {
  std::array<std::byte, kLongFrameHead> bytes{};
  std::size_t size = kShortFrameHead;

  [[nodiscard]] ByteView view() const noexcept { return ByteView{bytes}.first(size); }
};

template <class Unsigned>
constexpr void put_big_endian(std::byte* to, Unsigned value) noexcept {
  for (std::size_t i = sizeof value; i-- != 0; value = static_cast<Unsigned>(value >> 8)) {
    to[i] = static_cast<std::byte>(value & 0xff);
  }
}

template <class Unsigned>
constexpr Unsigned get_big_endian(const std::byte* from) noexcept {
  Unsigned value = 0;
  for (std::size_t i = 0; i != sizeof value; ++i) {
    value = static_cast<Unsigned>(value << 8 | static_cast<Unsigned>(from[i]));
  }
  return value;
}

constexpr FrameHead make_frame_head(std::uint64_t size) noexcept {
  FrameHead head;
  if (size <= kLongestShortFrame) {
    put_big_endian(head.bytes.data(), static_cast<std::uint32_t>(size));
  } else {
    put_big_endian(head.bytes.data(), std::uint32_t{0xffffffff});
    put_big_endian(head.bytes.data() + 4, size);
    head.size = kLongFrameHead;
  }
  return head;
}

}  // namespace mp::layout
