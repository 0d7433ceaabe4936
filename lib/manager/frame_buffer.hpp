// SPDX-License-Identifier: Apache-2.0
// manager/frame_buffer.hpp — reads many frames with one call of the kernel.
//
// Memory grows with the bytes that have come, not with the size that a peer announces.
//
// Threads: for one thread at a time.
// Throws:  FrameTooLarge, DecodeError: nothing more can be read from such a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "mp/base/bytes.hpp"
#include "mp/errors/error.hpp"

#include "connection/frame_layout.hpp"

namespace mp::manager {

class FrameBuffer {
 public:
  explicit FrameBuffer(std::uint64_t limit) noexcept : limit_{limit} {}

  // Where the next bytes go; never empty. Views of frames are no longer good.
  [[nodiscard]] MutableByteView room();
  void filled(std::size_t size) noexcept { end_ += size; }
  // The next whole frame, good until room() is called.
  [[nodiscard]] std::optional<ByteView> next();

 private:
  std::uint64_t limit_;
  Bytes bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// Adds the head of a frame to `out` and returns where it is; end_frame writes the size there.
std::size_t begin_frame(Bytes& out);
void end_frame(Bytes& out, std::size_t head);
// Adds a whole frame.
void add_frame(Bytes& out, ByteView message);

}  // namespace mp::manager
