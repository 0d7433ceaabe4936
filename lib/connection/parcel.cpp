// SPDX-License-Identifier: Apache-2.0
#include "mp/connection/parcel.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "connection/pipe_layout.hpp"
#include "memory/message.hpp"
#include "os/fd.hpp"

namespace mp::detail {

namespace {

bool is_long(std::size_t size) {
  return size > layout::kLongestInline;
}

}  // namespace

Outgoing::Outgoing(Incoming&& received) {
  block_ = received.release(heap_);
  bytes_ = block_ == 0 ? MutableByteView{heap_} : memory::message_payload(block_);
}

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

Outgoing::Handles& Outgoing::handles() {
  if (handles_ == nullptr) {
    handles_ = std::make_unique<Handles>();
  }
  return *handles_;
}

void Outgoing::put_object(std::uint64_t id) {
  std::vector<std::uint64_t>& objects = handles().objects;
  if (std::find(objects.begin(), objects.end(), id) == objects.end()) {
    objects.push_back(id);
  }
}

void Outgoing::put_fd(int fd) {
  handles().descriptors.push_back(fd);
}

const std::vector<std::uint64_t>& Outgoing::objects() const noexcept {
  static const std::vector<std::uint64_t> kNone;
  return handles_ == nullptr ? kNone : handles_->objects;
}

const std::vector<int>& Outgoing::descriptors() const noexcept {
  static const std::vector<int> kNone;
  return handles_ == nullptr ? kNone : handles_->descriptors;
}

bool Outgoing::needs_block() const noexcept {
  return is_long(bytes_.size()) || handles_ != nullptr || block_ != 0;
}

std::uint64_t Outgoing::block() {
  MP_EXPECTS(descriptors().empty(),
             "a file descriptor can only be sent through a unix socket, not through a pipe");
  if (block_ == 0 || !objects().empty()) {
    // The references stand before the payload, and how many there are is known only after it was
    // encoded. Handles inside messages that are long as well are rare enough to copy those twice.
    memory::Message message{bytes_.size(), objects()};
    if (!bytes_.empty()) {
      copy_bytes(message.payload().data(), bytes_.data(), bytes_.size());
    }
    handles_.reset();
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
  if (descriptors_ != nullptr) {
    for (const int fd : *descriptors_) {
      os::Fd{fd}.reset();
    }
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

void Incoming::adopt(Bytes&& message) noexcept {
  heap_ = std::move(message);
  bytes_ = heap_;
}

void Incoming::adopt_descriptor(int fd) {
  os::Fd owned{fd};
  if (descriptors_ == nullptr) {
    descriptors_ = std::make_unique<std::vector<int>>();
  }
  descriptors_->insert(descriptors_->begin(), owned.get());
  static_cast<void>(owned.release());
}

int Incoming::take_fd() {
  if (descriptors_ == nullptr || descriptors_->empty()) {
    throw DecodeError{"the message names a file descriptor, and brings none"};
  }
  const int fd = descriptors_->back();
  descriptors_->pop_back();
  return fd;
}

Bytes Incoming::take() {
  if (!heap_.empty() && bytes_.data() == heap_.data()) {
    bytes_ = {};
    return std::exchange(heap_, {});
  }
  return {bytes_.begin(), bytes_.end()};
}

std::uint64_t Incoming::release(Bytes& bytes) {
  if (block_ == 0) {
    bytes = take();
  }
  bytes_ = {};
  return std::exchange(block_, 0);
}

void Incoming::take_object(std::uint64_t id) {
  if (block_ == 0) {
    throw DecodeError{"the message refers to a shared object, and carries none"};
  }
  memory::MessageCarrier{block_}.take_object(id);
}

}  // namespace mp::detail
