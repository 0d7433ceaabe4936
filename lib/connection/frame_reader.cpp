// SPDX-License-Identifier: Apache-2.0
#include "connection/frame_reader.hpp"

#include <algorithm>
#include <utility>

#include "mp/errors/error.hpp"

namespace mp::connection {

namespace {

// What is set aside for a message before a byte of it has come, and how much more, in proportion,
// as it comes: who merely announces a long message does not get the memory for it.
constexpr std::uint64_t kFirstRoom = std::uint64_t{1} << 20;
constexpr std::uint64_t kGrowth = 4;

}  // namespace

MutableByteView FrameReader::room() {
  if (!announced()) {
    const std::size_t wanted = head_size_ != 0 ? head_size_ : layout::kShortFrameHead;
    return MutableByteView{head_bytes_}.subspan(head_, wanted - head_);
  }
  if (got_ == message_.size()) {
    message_.resize(std::min(size_, std::max(kFirstRoom, got_ * kGrowth)));
  }
  return MutableByteView{message_}.subspan(got_);
}

void FrameReader::filled(std::size_t size) {
  if (announced()) {
    got_ += size;
    return;
  }
  head_ += size;
  if (head_ >= layout::kShortFrameHead) {
    read_head();
  }
}

void FrameReader::read_head() {
  const auto first = layout::get_big_endian<std::uint32_t>(head_bytes_.data());
  if (first <= layout::kLongestShortFrame) {
    head_size_ = layout::kShortFrameHead;
    size_ = first;
  } else if (first == 0xffffffff) {
    head_size_ = layout::kLongFrameHead;
    if (head_ < head_size_) {
      return;
    }
    size_ = layout::get_big_endian<std::uint64_t>(head_bytes_.data() + layout::kShortFrameHead);
  } else {
    throw DecodeError{"the peer sends no messages: the size of one is negative",
                      Bytes(head_bytes_.begin(), head_bytes_.begin() + head_)};
  }
  if (size_ > limit_) {
    throw FrameTooLarge{size_, limit_};
  }
}

Bytes FrameReader::take() {
  head_ = 0;
  head_size_ = 0;
  size_ = 0;
  got_ = 0;
  return std::exchange(message_, {});
}

}  // namespace mp::connection
