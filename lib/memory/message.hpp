// SPDX-License-Identifier: Apache-2.0
// memory/message.hpp — blocks that carry bytes and references to shared objects.
//
// A message holds every object that it refers to, so a handle on its way keeps its object alive
// whatever happens to the sender. The references are part of the block; freeing the message (by its
// receiver, or by the sweep) lets go of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/carrier.hpp"
#include "mp/memory/object_ref.hpp"

#include "memory/allocator.hpp"

namespace mp::memory {

// Collects the objects that an encoding pass refers to, and holds them for as long as it lives or
// until clear(): what was encoded may be gone before the message is made.
class ObjectCollector final : public Carrier {
 public:
  void put_object(std::uint64_t id) override;
  [[nodiscard]] const std::vector<BlockId>& objects() const noexcept { return objects_; }
  void clear() noexcept;
  // Gives away what keeps the objects alive.
  [[nodiscard]] std::vector<mp::detail::ObjectRef> take_held() noexcept { return std::move(held_); }

 private:
  std::vector<BlockId> objects_;
  std::vector<mp::detail::ObjectRef> held_;
};

// A message under construction, owned by this process until it is handed over.
class Message {
 public:
  Message() = default;
  // Room for `size` bytes of payload; holds `objects` from here on. The caller holds them too.
  explicit Message(std::uint64_t size, const std::vector<BlockId>& objects = {});
  ~Message();  // frees the block unless it was released
  Message(Message&& other) noexcept;
  Message& operator=(Message&& other) noexcept;

  // Takes over a block that this process owns (take_block). Throws DecodeError when it is no
  // message or its sizes are out of bounds.
  static Message adopt(BlockId id);

  [[nodiscard]] BlockId id() const noexcept { return id_; }
  [[nodiscard]] MutableByteView payload() const noexcept { return payload_; }
  // Gives up ownership, after the commit that handed the block over.
  BlockId release() noexcept;

 private:
  BlockId id_ = 0;
  MutableByteView payload_;
};

// Decoding side: lets a Reader take the objects that `message` holds.
class MessageCarrier final : public Carrier {
 public:
  explicit MessageCarrier(BlockId message) noexcept : message_{message} {}
  void take_object(std::uint64_t id) override;

 private:
  BlockId message_;
};

// The payload of a message that stays its owner's while the caller looks at it. Throws DecodeError
// when the block is no message or its sizes are out of bounds.
[[nodiscard]] MutableByteView message_payload(BlockId message);
// The objects that a message of this process holds.
[[nodiscard]] std::vector<BlockId> objects_of(BlockId message);

// Frees a message block: lets go of its objects, then gives the block back. Safe to repeat.
void free_message(BlockId id) noexcept;

}  // namespace mp::memory
