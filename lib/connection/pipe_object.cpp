// SPDX-License-Identifier: Apache-2.0
// Design.  "The end is open" means "the end object has holders"; so whoever lets go of an end last,
// in order or by the sweep after a kill, runs destroy_end, which is all there is to the end of
// file.
//
// Invariants
//   C1  The pipe's holders are its two ends, and the processes that have a handle. So a ring can be
//       touched by whoever has a handle, also after the end was closed.
//   C2  destroy_end marks the end as gone, wakes, and lets go of the pipe last. A destroyer that
//       takes over from a dead one does all of it again; each part is idempotent.
//   C3  Messages that nobody can receive any more are freed with the reading end, for they may hold
//       other ends.
#include "connection/pipe_object.hpp"

#include "mp/errors/error.hpp"

#include "connection/ring_lock.hpp"
#include "memory/allocator.hpp"
#include "memory/arena.hpp"
#include "memory/block_word.hpp"
#include "memory/gate.hpp"
#include "memory/message.hpp"
#include "memory/object.hpp"
#include "memory/processes.hpp"

namespace mp::connection {

namespace {

using layout::PipeEnd;
using layout::PipeHead;
using layout::RecordKind;
using layout::Ring;
using memory::BlockId;
using memory::ObjectType;
using mp::detail::ObjectRef;

constexpr auto kEndType = static_cast<std::uint32_t>(ObjectType::pipe_end);
constexpr auto kPipeType = static_cast<std::uint32_t>(ObjectType::pipe);

std::byte* bytes_of(BlockId object) noexcept {
  return memory::block_address_unchecked(object) + sizeof(layout::ObjectHead);
}

// Frees the messages in a ring, as a receiver would take them. The caller has the reader's lock or
// is alone.
void drain(Ring& ring) noexcept {
  std::uint64_t head = ring.reader.position.load();
  const std::uint64_t tail = ring.writer.position.load();
  Record record;
  while (head != tail && read_record(ring, head, tail, record)) {
    BlockId message = 0;
    if (record.kind == RecordKind::block) {
      message = reinterpret_cast<layout::Word64*>(record.payload)->load();
      if (!memory::take_block(message)) {
        message = 0;
      }
    }
    head = record.next;
    ring.reader.position.store(head);
    if (message != 0) {
      memory::free_message(message);
    }
  }
}

void destroy_end(std::byte* object) noexcept {
  const auto* end = reinterpret_cast<PipeEnd*>(object);
  const BlockId self = end->self.load();
  const BlockId pipe = end->pipe.load();
  if (self == 0 || !memory::is_holder(pipe, self)) {
    return;
  }
  const unsigned side = end->side.load() & 1;
  const memory::ArmedWake armed;
  if (Ring* ring = ring_of(bytes_of(pipe), side)) {
    ring->reader_gone.store(1);
    memory::gate_wake(ring->reader.moved, memory::kAll);
    // If somebody is in there, which can only be a call that a close() overtook, the messages go
    // with the pipe.
    if (RingLock lock{ring->reader}; lock.try_acquire()) {
      drain(*ring);
    }
  }
  if (Ring* ring = ring_of(bytes_of(pipe), 1 - side)) {
    ring->writer_gone.store(1);
    memory::gate_wake(ring->writer.moved, memory::kAll);
  }
  memory::remove_holder(pipe, self);
}

void destroy_pipe(std::byte* object) noexcept {
  for (unsigned number = 0; number < 2; ++number) {
    if (Ring* ring = ring_of(object, number)) {
      drain(*ring);
    }
  }
}

[[maybe_unused]] const bool registered =
    memory::register_object_type(ObjectType::pipe_end, {.destroy = destroy_end}) &&
    memory::register_object_type(ObjectType::pipe, {.destroy = destroy_pipe});

ObjectRef make_end(const ObjectRef& pipe, unsigned side) {
  memory::ObjectBuilder builder{ObjectType::pipe_end, sizeof(PipeEnd)};
  auto* end = reinterpret_cast<PipeEnd*>(builder.data());
  end->pipe.store(pipe.id());
  end->side.store(side);
  ObjectRef made = builder.publish();
  // In this order, C2: an end that names itself lets go of the pipe when it is destroyed, whether
  // it became a holder or not.
  end->self.store(made.id());
  memory::add_holder(pipe.id(), made.id());
  reinterpret_cast<PipeHead*>(pipe.data())->ends[side].store(made.id());
  return made;
}

}  // namespace

PipeParts make_pipe_objects(bool duplex) {
  const unsigned rings = duplex ? 2 : 1;
  const std::uint64_t bytes = sizeof(PipeHead) + rings * sizeof(Ring);
  memory::ObjectBuilder builder{ObjectType::pipe, bytes + rings * layout::kRingSize};
  reinterpret_cast<PipeHead*>(builder.data())->rings.store(rings);
  for (unsigned number = 0; number < rings; ++number) {
    const std::uint64_t ring = sizeof(PipeHead) + number * sizeof(Ring);
    auto* place = reinterpret_cast<Ring*>(builder.data() + ring);
    place->reader.self = memory::Arena::get().offset_of(&place->reader);
    place->writer.self = memory::Arena::get().offset_of(&place->writer);
    place->size.store(layout::kRingSize);
    place->data.store(bytes + number * layout::kRingSize - ring);
  }
  PipeParts parts{builder.publish(), {}};
  for (unsigned side = 0; side < 2; ++side) {
    parts.ends[side] = make_end(parts.pipe, side);
  }
  return parts;
}

ObjectRef end_from_id(std::uint64_t id) {
  return ObjectRef::from_id(id, kEndType);
}

ObjectRef pipe_of(const ObjectRef& end) {
  return ObjectRef::from_id(reinterpret_cast<PipeEnd*>(end.data())->pipe.load(), kPipeType);
}

Ring* ring_of(std::byte* pipe, unsigned number) noexcept {
  if (number >= reinterpret_cast<PipeHead*>(pipe)->rings.load(std::memory_order_relaxed)) {
    return nullptr;
  }
  return reinterpret_cast<Ring*>(pipe + sizeof(PipeHead)) + number;
}

bool read_record(Ring& ring, std::uint64_t head, std::uint64_t tail, Record& record) noexcept {
  const std::uint64_t size = layout::kRingSize;
  std::byte* bytes = ring_bytes(ring);
  if (head % 8 != 0 || tail - head > size) {
    return false;
  }
  for (;;) {
    const std::uint64_t offset = head & (size - 1);
    if (tail - head < 8) {
      return false;
    }
    // Relaxed: the tail was loaded with acquire.
    const std::uint64_t word =
        reinterpret_cast<layout::Word64*>(bytes + offset)->load(std::memory_order_relaxed);
    record.kind = layout::record_kind(word);
    record.size = layout::record_size(word);
    if (record.kind == RecordKind::skip) {
      const std::uint64_t rest = size - offset;
      if (offset == 0 || rest >= tail - head) {
        return false;
      }
      head += rest;
      continue;
    }
    const std::uint64_t space = layout::record_space(record.size);
    record.position = head + 8;
    record.next = head + space;
    record.payload = bytes + offset + 8;
    return space <= tail - head && space <= size - offset &&
           (record.kind == RecordKind::bytes ||
            (record.kind == RecordKind::block && record.size == sizeof(BlockId)));
  }
}

void look_for_dead_holders(BlockId end) noexcept {
  memory::for_each_holder(
      end,
      [](void*, std::uint64_t holder) {
        auto process = static_cast<memory::ProcessId>(holder);
        if (holder > 0xffffffffu) {  // a message on its way: its owner
          const layout::BlockMeta* meta = memory::block_meta(holder);
          process = meta == nullptr ? 0 : memory::word_owner(meta->word.load());
        }
        if (process != 0 && memory::is_dead(process)) {
          memory::bury(process);
        }
      },
      nullptr);
  // The last holder may have been killed after it let go and before it destroyed the end.
  memory::finish_destruction(end);
}

memory::ThreadTag thread_of_holder(BlockId end) noexcept {
  memory::ThreadTag found = 0;
  memory::for_each_holder(
      end,
      [](void* context, std::uint64_t holder) {
        auto& tag = *static_cast<memory::ThreadTag*>(context);
        if (tag == 0 && holder <= 0xffffffffu) {
          tag = memory::living_thread_of(static_cast<memory::ProcessId>(holder));
        }
      },
      &found);
  return found;
}

}  // namespace mp::connection
