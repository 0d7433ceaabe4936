// SPDX-License-Identifier: Apache-2.0
// pool/board.hpp — finding one's way on the board (pool_layout.hpp), for parent and workers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mp/memory/object_ref.hpp"

#include "pool/pool_layout.hpp"

namespace mp::pool {

class Board {
 public:
  Board() = default;
  // A new board, held by this process.
  static Board create(std::uint32_t workers, std::uint32_t slots);
  // The board behind an id that this process was handed. Throws DecodeError.
  static Board open(std::uint64_t id);

  [[nodiscard]] std::uint64_t id() const { return object_.id(); }
  [[nodiscard]] layout::BoardHeader& header() const noexcept { return *header_; }
  [[nodiscard]] layout::WorkerEntry& worker(std::uint32_t index) const noexcept {
    return workers_[index];
  }
  [[nodiscard]] layout::TaskSlot& slot(std::uint32_t index) const noexcept { return slots_[index]; }
  // The entry of the order ring at a position: [63:32] low bits of position + 1  [31:0] slot.
  [[nodiscard]] layout::Word64& order(std::uint64_t position) const noexcept {
    return order_[position & (2 * slot_count_ - 1)];
  }
  // An entry of a worker's done ring: the state word's sequence above, the slot below.
  [[nodiscard]] layout::Word64& done(std::uint32_t worker, std::uint64_t position) const noexcept {
    return done_[std::uint64_t{worker} * slot_count_ + (position & (slot_count_ - 1))];
  }
  [[nodiscard]] std::uint32_t worker_count() const noexcept { return worker_count_; }
  [[nodiscard]] std::uint32_t slot_count() const noexcept { return slot_count_; }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(object_); }
  void reset() noexcept { object_.reset(); }

 private:
  explicit Board(mp::detail::ObjectRef object);

  mp::detail::ObjectRef object_;
  layout::BoardHeader* header_ = nullptr;
  layout::WorkerEntry* workers_ = nullptr;
  layout::TaskSlot* slots_ = nullptr;
  layout::Word64* order_ = nullptr;
  layout::Word64* done_ = nullptr;
  std::uint32_t worker_count_ = 0;
  std::uint32_t slot_count_ = 0;
};

constexpr std::uint64_t order_entry(std::uint64_t position, std::uint32_t slot) {
  return ((position + 1) & 0xffffffff) << 32 | slot;
}

}  // namespace mp::pool
