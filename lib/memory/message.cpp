// SPDX-License-Identifier: Apache-2.0
// A reference is written into the block before the block becomes a holder of the object, and the
// block lets go of its objects before it is freed; both are idempotent, so the sweep can finish
// whatever its owner was killed in.
#include "memory/message.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "mp/errors/error.hpp"

#include "memory/object.hpp"

namespace mp::memory {

namespace {

layout::MessageHead* head_at(std::byte* block) {
  return reinterpret_cast<layout::MessageHead*>(block);
}
layout::Word64* references_of(layout::MessageHead* head) {
  return reinterpret_cast<layout::Word64*>(head + 1);
}

// Where the payload begins, so that it is aligned for any type a codec copies in place.
constexpr std::uint64_t payload_offset(std::uint64_t references) {
  return (sizeof(layout::MessageHead) + references * 8 + 15) / 16 * 16;
}

}  // namespace

void ObjectCollector::put_object(std::uint64_t id) {
  if (std::find(objects_.begin(), objects_.end(), id) == objects_.end()) {
    held_.push_back(
        mp::detail::ObjectRef::from_id(id, static_cast<std::uint32_t>(object_type(id))));
    objects_.push_back(id);
  }
}

void ObjectCollector::clear() noexcept {
  objects_.clear();
  held_.clear();
}

Message::Message(std::uint64_t size, const std::vector<BlockId>& objects) {
  const std::uint64_t offset = payload_offset(objects.size());
  if (size > largest_block()) {
    throw OutOfMemory{"a message of " + std::to_string(size) + " bytes is too large"};
  }
  const Block block = allocate(offset + size, {.kind = BlockKind::message});
  auto* head = head_at(block.data);
  // A kill between the claim and here would let the sweep read what an earlier owner left; those
  // are references to objects that this block does not hold, and removing a holder that is none
  // changes nothing.
  head->objects.store(0, std::memory_order_release);
  head->size = size;
  head->capacity = static_cast<std::uint32_t>(objects.size());
  id_ = block.id;
  payload_ = {block.data + offset, static_cast<std::size_t>(size)};
  try {
    for (std::uint32_t i = 0; i < objects.size(); ++i) {
      references_of(head)[i].store(objects[i], std::memory_order_relaxed);
      head->objects.store(i + 1, std::memory_order_release);
      add_holder(objects[i], block.id);
    }
  } catch (...) {
    free_message(block.id);
    throw;
  }
}

Message::~Message() {
  if (id_ != 0) {
    free_message(id_);
  }
}

Message::Message(Message&& other) noexcept
    : id_{std::exchange(other.id_, 0)}, payload_{std::exchange(other.payload_, {})} {}

Message& Message::operator=(Message&& other) noexcept {
  if (this != &other) {
    Message old{std::move(*this)};
    id_ = std::exchange(other.id_, 0);
    payload_ = std::exchange(other.payload_, {});
  }
  return *this;
}

Message Message::adopt(BlockId id) {
  Message message;
  message.payload_ = message_payload(id);
  message.id_ = id;
  return message;
}

MutableByteView message_payload(BlockId id) {
  std::byte* address = block_address(id);
  if (address == nullptr) {
    throw DecodeError{"a message refers to a block that is not in use"};
  }
  const layout::MessageHead* head = head_at(address);
  const std::uint64_t size = head->size;
  const std::uint64_t offset = payload_offset(head->capacity);
  const std::uint64_t capacity = block_capacity(id);
  if (offset > capacity || size > capacity - offset) {
    throw DecodeError{"a message is longer than its block"};
  }
  return {address + offset, static_cast<std::size_t>(size)};
}

BlockId Message::release() noexcept {
  payload_ = {};
  return std::exchange(id_, 0);
}

void MessageCarrier::take_object(std::uint64_t id) {
  if (!is_holder(id, message_)) {
    throw DecodeError{"the message refers to a shared object that it does not carry"};
  }
}

std::vector<BlockId> objects_of(BlockId message) {
  std::vector<BlockId> objects;
  if (std::byte* address = block_address(message)) {
    auto* head = head_at(address);
    const std::uint64_t room = (block_capacity(message) - sizeof *head) / 8;
    const std::uint64_t count =
        std::min<std::uint64_t>(head->objects.load(std::memory_order_acquire), room);
    for (std::uint64_t i = 0; i < count; ++i) {
      objects.push_back(references_of(head)[i].load(std::memory_order_relaxed));
    }
  }
  return objects;
}

void free_message(BlockId id) noexcept {
  std::byte* address = block_address(id);
  if (address == nullptr) {
    return;
  }
  auto* head = head_at(address);
  const std::uint64_t room = (block_capacity(id) - sizeof *head) / 8;
  const std::uint64_t count =
      std::min<std::uint64_t>(head->objects.load(std::memory_order_acquire), room);
  for (std::uint64_t i = 0; i < count; ++i) {
    remove_holder(references_of(head)[i].load(std::memory_order_relaxed), id);
  }
  free_block(id);
}

}  // namespace mp::memory
