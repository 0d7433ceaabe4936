// SPDX-License-Identifier: Apache-2.0
// mp/connection/parcel.hpp — a message on its way into a channel, and one on its way out.
//
// The typed members of Connection encode into an Outgoing and decode from an Incoming; the channel
// behind the handle moves them. Short messages live on the stack, longer ones on the heap, and
// what is too large for a channel's buffer is encoded where it will be received from: in a block of
// shared memory that changes its owner instead of being copied.
//
// Threads: a parcel is for one thread.
// Owns:    the block, until a channel takes it over (Outgoing) or the parcel is gone (Incoming).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/carrier.hpp"
#include "mp/base/export.hpp"

namespace mp::detail {

// Messages up to this size are encoded and decoded on the stack.
inline constexpr std::size_t kSmallMessage = 1024;

class Incoming;

class MP_API Outgoing final : public Carrier {
 public:
  // Room for a message of `size` bytes, to be written to bytes().
  explicit Outgoing(std::size_t size) : bytes_{small_, size} {
    if (size > kSmallMessage) {
      make_room(size);
    }
  }
  // The caller's own bytes; they must stay as they are until the message is sent.
  explicit Outgoing(ByteView bytes) noexcept
      : bytes_{const_cast<std::byte*>(bytes.data()), bytes.size()} {}
  // A message that was received, to be sent on.
  explicit Outgoing(Incoming&& received);
  ~Outgoing() override;

  [[nodiscard]] MutableByteView bytes() const noexcept { return bytes_; }
  void put_object(std::uint64_t id) override;
  void put_fd(int fd) override;

  // For channels. The objects that the message refers to, and the descriptors, which stay the
  // sender's.
  [[nodiscard]] const std::vector<std::uint64_t>& objects() const noexcept;
  [[nodiscard]] const std::vector<int>& descriptors() const noexcept;
  // Whether the message can be copied through a buffer, or must travel as a block.
  [[nodiscard]] bool needs_block() const noexcept;
  // The block with the whole message, which stays this parcel's until release_block(). Throws
  // UsageError when there are descriptors, which no block can hold.
  [[nodiscard]] std::uint64_t block();
  void release_block() noexcept { block_ = 0; }

 private:
  void make_room(std::size_t size);

  // What is more than bytes; few messages have it.
  struct Handles {
    std::vector<std::uint64_t> objects;
    std::vector<int> descriptors;
  };
  Handles& handles();

  MutableByteView bytes_;
  std::uint64_t block_ = 0;
  std::unique_ptr<Handles> handles_;
  Bytes heap_;
  std::byte small_[kSmallMessage];
};

class MP_API Incoming final : public Carrier {
 public:
  static constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

  // Messages that fit are received into `buffer`, others into memory of the parcel's own. A
  // message of more than `limit` bytes is left where it is, and the receiving call throws.
  explicit Incoming(MutableByteView buffer, std::size_t limit = kNoLimit) noexcept
      : buffer_{buffer}, limit_{limit} {}
  ~Incoming() override;

  // The message, once received.
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }
  // Whether it lies at the start of the buffer.
  [[nodiscard]] bool in_buffer() const noexcept { return bytes_.data() == buffer_.data(); }
  // The message as bytes of the caller's own.
  [[nodiscard]] Bytes take();
  void take_object(std::uint64_t id) override;
  int take_fd() override;

  // Gives the message away: its block, or if it has none 0 and its bytes in `bytes`.
  [[nodiscard]] std::uint64_t release(Bytes& bytes);

  // For channels. Throws FrameTooLarge if `size` is over the limit.
  void check_limit(std::uint64_t size) const;
  // Where a message of `size` bytes is to be copied to.
  [[nodiscard]] std::byte* place(std::size_t size);
  // Takes over a block that holds the message, or its bytes.
  void adopt_block(std::uint64_t id);
  void adopt(Bytes&& message) noexcept;
  // Takes over a descriptor that came with the message.
  void adopt_descriptor(int fd);

 private:
  MutableByteView buffer_;
  std::size_t limit_;
  ByteView bytes_;
  std::uint64_t block_ = 0;
  Bytes heap_;
  std::unique_ptr<std::vector<int>> descriptors_;  // in reverse order
};

}  // namespace mp::detail
