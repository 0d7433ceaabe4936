// SPDX-License-Identifier: Apache-2.0
#include "mp/connection/parcel.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/errors/error.hpp"

#include "connection/pipe_layout.hpp"
#include "memory/message.hpp"

namespace mp::detail {

namespace {

bool is_long(std::size_t size) {
  return size > layout::kLongestInline;
}

}  // namespace

Outgoing::~Outgoing() {
  if (block_ != 0) {
    memory::free_message(block_);
  }
}

void Outgoing::make_room(std::size_t size) {
  if (is_long(size)) {
    memory::Message message{size};
    bytes_ = message.payload();
    block_ = message.release();
  } else {
    heap_.resize(size);
    bytes_ = heap_;
  }
}

void Outgoing::put_object(std::uint64_t id) {
  if (std::find(objects_.begin(), objects_.end(), id) == objects_.end()) {
    objects_.push_back(id);
  }
}

bool Outgoing::needs_block() const noexcept {
  return is_long(bytes_.size()) || !objects_.empty();
}

std::uint64_t Outgoing::block() {
  if (block_ == 0 || !objects_.empty()) {
    // The references stand before the payload, and how many there are is known only after it was
    // encoded. Handles inside messages that are long as well are rare enough to copy those twice.
    memory::Message message{bytes_.size(), objects_};
    if (!bytes_.empty()) {
      copy_bytes(message.payload().data(), bytes_.data(), bytes_.size());
    }
    objects_.clear();
    bytes_ = message.payload();
    if (block_ != 0) {
      memory::free_message(block_);
    }
    block_ = message.release();
  }
  return block_;
}

Incoming::~Incoming() {
  if (block_ != 0) {
    memory::free_message(block_);
  }
}

void Incoming::check_limit(std::uint64_t size) const {
  if (size > limit_) {
    throw FrameTooLarge{size, limit_};
  }
}

std::byte* Incoming::place(std::size_t size) {
  if (size <= buffer_.size()) {
    bytes_ = buffer_.first(size);
    return buffer_.data();
  }
  heap_.resize(size);
  bytes_ = heap_;
  return heap_.data();
}

void Incoming::adopt_block(std::uint64_t id) {
  memory::Message message = memory::Message::adopt(id);
  const MutableByteView payload = message.payload();
  if (payload.size() > limit_) {
    message.release();  // it stays where it is
    check_limit(payload.size());
  }
  bytes_ = payload;
  block_ = message.release();
}

Bytes Incoming::take() {
  if (!heap_.empty() && bytes_.data() == heap_.data()) {
    bytes_ = {};
    return std::exchange(heap_, {});
  }
  return {bytes_.begin(), bytes_.end()};
}

void Incoming::take_object(std::uint64_t id) {
  if (block_ == 0) {
    throw DecodeError{"the message refers to a shared object, and carries none"};
  }
  memory::MessageCarrier{block_}.take_object(id);
}

}  // namespace mp::detail
