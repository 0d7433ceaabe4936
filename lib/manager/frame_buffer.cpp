// SPDX-License-Identifier: Apache-2.0
#include "manager/frame_buffer.hpp"

#include <algorithm>
#include <cstring>

namespace mp::manager {

namespace {

constexpr std::size_t kSmallest = 4096;
constexpr std::size_t kLargestIdle = std::size_t{256} << 10;

}  // namespace

MutableByteView FrameBuffer::room() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (bytes_.size() > kLargestIdle) {
      bytes_ = Bytes(kLargestIdle);
    }
  }
  if (begin_ != 0 && end_ == bytes_.size()) {
    std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == bytes_.size()) {
    bytes_.resize(std::max(kSmallest, bytes_.size() * 2));
  }
  return MutableByteView{bytes_}.subspan(end_);
}

std::optional<ByteView> FrameBuffer::next() {
  const std::size_t here = end_ - begin_;
  if (here < layout::kShortFrameHead) {
    return std::nullopt;
  }
  const std::byte* head = bytes_.data() + begin_;
  std::uint64_t size = layout::get_big_endian<std::uint32_t>(head);
  std::size_t head_size = layout::kShortFrameHead;
  if (size == 0xffffffff) {
    if (here < layout::kLongFrameHead) {
      return std::nullopt;
    }
    size = layout::get_big_endian<std::uint64_t>(head + layout::kShortFrameHead);
    head_size = layout::kLongFrameHead;
  } else if (size > layout::kLongestShortFrame) {
    throw DecodeError{"a frame announces a negative size"};
  }
  if (size > limit_) {
    throw FrameTooLarge{size, limit_};
  }
  if (here - head_size < size) {
    return std::nullopt;
  }
  const ByteView frame{head + head_size, static_cast<std::size_t>(size)};
  begin_ += head_size + frame.size();
  return frame;
}

std::size_t begin_frame(Bytes& out) {
  const std::size_t head = out.size();
  out.resize(head + layout::kShortFrameHead);
  return head;
}

void end_frame(Bytes& out, std::size_t head) {
  const std::size_t size = out.size() - head - layout::kShortFrameHead;
  if (size <= layout::kLongestShortFrame) [[likely]] {
    layout::put_big_endian(out.data() + head, static_cast<std::uint32_t>(size));
    return;
  }
  const layout::FrameHead large = layout::make_frame_head(size);
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(head), large.size - layout::kShortFrameHead,
             std::byte{});
  copy_bytes(out.data() + head, large.bytes.data(), large.size);
}

void add_frame(Bytes& out, ByteView message) {
  const layout::FrameHead head = layout::make_frame_head(message.size());
  out.insert(out.end(), head.view().begin(), head.view().end());
  out.insert(out.end(), message.begin(), message.end());
}

}  // namespace mp::manager
