// SPDX-License-Identifier: Apache-2.0
#include "pool/board.hpp"

#include <bit>
#include <utility>

#include "mp/errors/error.hpp"

#include "memory/allocator.hpp"
#include "memory/message.hpp"
#include "memory/object.hpp"

namespace mp::pool {

namespace {

struct Parts {
  std::uint64_t workers;
  std::uint64_t slots;
  std::uint64_t order;
  std::uint64_t done;
  std::uint64_t end;
};

constexpr Parts parts_of(std::uint64_t workers, std::uint64_t slots) {
  Parts parts{};
  parts.workers = sizeof(layout::BoardHeader);
  parts.slots = parts.workers + workers * sizeof(layout::WorkerEntry);
  parts.order = parts.slots + slots * sizeof(layout::TaskSlot);
  parts.done = parts.order + 2 * slots * sizeof(layout::Word64);
  parts.end = parts.done + workers * slots * sizeof(layout::Word64);
  return parts;
}

// The board owns what is still in its slots: calls that nobody ran, outcomes that nobody took.
void destroy(std::byte* object) {
  auto* header = reinterpret_cast<layout::BoardHeader*>(object);
  const Parts parts = parts_of(header->workers, header->slots);
  auto* workers = reinterpret_cast<layout::WorkerEntry*>(object + parts.workers);
  auto* slots = reinterpret_cast<layout::TaskSlot*>(object + parts.slots);
  for (std::uint32_t i = 0; i < header->slots; ++i) {
    memory::free_message(slots[i].task.load());
    memory::free_message(slots[i].result.load());
  }
  for (std::uint32_t i = 0; i < header->workers; ++i) {
    memory::free_message(workers[i].failure.load());
    memory::free_message(workers[i].farewell.load());
  }
  memory::free_message(header->initializer.load());
  memory::free_message(header->last_call.load());
}

[[maybe_unused]] const bool registered =
    memory::register_object_type(memory::ObjectType::pool, {.destroy = destroy});

}  // namespace

Board Board::create(std::uint32_t workers, std::uint32_t slots) {
  memory::ObjectBuilder builder{memory::ObjectType::pool, parts_of(workers, slots).end};
  auto* header = reinterpret_cast<layout::BoardHeader*>(builder.data());
  header->workers = workers;
  header->slots = slots;
  return Board{builder.publish()};
}

Board Board::open(std::uint64_t id) {
  return Board{
      mp::detail::ObjectRef::from_id(id, static_cast<std::uint32_t>(memory::ObjectType::pool))};
}

Board::Board(mp::detail::ObjectRef object) : object_{std::move(object)} {
  std::byte* data = object_.data();
  header_ = reinterpret_cast<layout::BoardHeader*>(data);
  // Read once: what a worker might write there later must not move the parts.
  worker_count_ = header_->workers;
  slot_count_ = header_->slots;
  const Parts parts = parts_of(worker_count_, slot_count_);
  if (worker_count_ > layout::kMaxWorkers || !std::has_single_bit(slot_count_) ||
      parts.end + sizeof(layout::ObjectHead) > memory::block_capacity(object_.id())) {
    throw DecodeError{"the shared object is no board of a pool"};
  }
  workers_ = reinterpret_cast<layout::WorkerEntry*>(data + parts.workers);
  slots_ = reinterpret_cast<layout::TaskSlot*>(data + parts.slots);
  order_ = reinterpret_cast<layout::Word64*>(data + parts.order);
  done_ = reinterpret_cast<layout::Word64*>(data + parts.done);
}

}  // namespace mp::pool
