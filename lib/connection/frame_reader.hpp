// SPDX-License-Identifier: Apache-2.0
// connection/frame_reader.hpp — puts a message together from the bytes of a stream, as they come.
//
//     while (!frame.complete()) {
//       frame.filled(read(fd, frame.room()));
//     }
//     Bytes message = frame.take();
//
// It never asks for a byte beyond the message, so what follows stays in the stream. It does no
// input itself: whoever has a socket, or an event loop, moves the bytes.
//
// Threads: for one thread at a time.
// Throws:  filled: DecodeError when the bytes are no frame, FrameTooLarge when a longer message is
//          announced than the limit. Nothing more can be read from such a stream.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "mp/base/bytes.hpp"

#include "connection/frame_layout.hpp"

namespace mp::connection {

class FrameReader {
 public:
  // Messages have at most `limit` bytes.
  explicit FrameReader(std::uint64_t limit) noexcept : limit_{limit} {}

  // Where the next bytes of the stream go; never empty. Expects: not complete.
  [[nodiscard]] MutableByteView room();
  // `size` bytes were written to the room.
  void filled(std::size_t size);

  // Whether the size of the message is known, and which it is.
  [[nodiscard]] bool announced() const noexcept { return head_size_ != 0 && head_ == head_size_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] bool complete() const noexcept { return announced() && got_ == size_; }
  // Whether a message has begun.
  [[nodiscard]] bool begun() const noexcept { return head_ != 0; }

  // The message; then the next one can begin. Expects: complete.
  [[nodiscard]] Bytes take();

 private:
  void read_head();

  std::uint64_t limit_;
  std::array<std::byte, layout::kLongFrameHead> head_bytes_;  // the first head_ of them
  std::size_t head_ = 0;
  std::size_t head_size_ = 0;  // 0: not known yet
  std::uint64_t size_ = 0;
  std::uint64_t got_ = 0;
  Bytes message_;
};

}  // namespace mp::connection
