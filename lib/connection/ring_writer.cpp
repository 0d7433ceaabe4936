// SPDX-License-Identifier: Apache-2.0
#include "connection/ring_writer.hpp"

#include <algorithm>
#include <cstring>

#include "mp/base/bytes.hpp"
#include "mp/errors/error.hpp"

#include "connection/pipe_object.hpp"
#include "connection/ring_lock.hpp"
#include "memory/allocator.hpp"
#include "memory/gate.hpp"
#include "memory/prefetch.hpp"

namespace mp::connection {

namespace {

using layout::RecordKind;
using layout::Word64;

bool reached(std::uint64_t position, std::uint64_t wanted) noexcept {
  return static_cast<std::int64_t>(position - wanted) >= 0;
}

[[noreturn]] void throw_nobody_left() {
  throw EOFError{"the other end of the connection is closed: nobody is left to receive"};
}

}  // namespace

bool RingWriter::send(mp::detail::Outgoing& parcel, Deadline until) {
  std::uint64_t block = 0;
  ByteView payload = parcel.bytes();
  RecordKind kind = RecordKind::bytes;
  if (parcel.needs_block()) [[unlikely]] {
    block = parcel.block();
    payload = std::as_bytes(std::span{&block, 1});
    kind = RecordKind::block;
  }
  for (;;) {
    std::uint64_t wanted = 0;
    switch (put(kind, payload, block, until, wanted)) {
      case Put::done:
        parcel.release_block();
        return true;
      case Put::no_lock:
        return false;
      case Put::no_room:
        break;
    }
    switch (await_room(wanted, until)) {
      case Waited::moved:
        break;
      case Waited::gone:
        throw_nobody_left();
      case Waited::timed_out:
        return false;
    }
  }
}

RingWriter::Put RingWriter::put(RecordKind kind, ByteView payload, std::uint64_t block,
                                Deadline until, std::uint64_t& wanted_head) {
  layout::RingSide& side = ring_.writer;
  if (ring_.reader_gone.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    throw_nobody_left();
  }
  RingLock lock{side};
  if (!lock.acquire(until, closed_)) {
    if (closed_.load(std::memory_order_relaxed)) {
      throw ClosedError{"this end of the connection is closed"};
    }
    return Put::no_lock;
  }
  const std::uint64_t size = layout::kRingSize;
  const std::uint64_t tail = side.position.load(std::memory_order_relaxed);  // our own side
  const std::uint64_t space = layout::record_space(payload.size());
  const std::uint64_t to_end = size - (tail & (size - 1));
  const std::uint64_t skip = space > to_end ? to_end : 0;
  const std::uint64_t begin = tail + skip;
  const std::uint64_t end = begin + space;
  std::uint64_t head = side.other.load(std::memory_order_relaxed);
  if (end - head > size) {
    // Acquire: pairs with the reader's commit; what it read may be overwritten now.
    head = ring_.reader.position.load(std::memory_order_acquire);
    side.other.store(head, std::memory_order_relaxed);
    if (end - head > size) {
      wanted_head = end - size;
      return Put::no_room;
    }
  }
  std::byte* const bytes = ring_bytes(ring_);
  const auto cell = [&](std::uint64_t position) -> Word64& {
    return *reinterpret_cast<Word64*>(bytes + (position & (size - 1)));
  };
  // Relaxed: published by the commit.
  if (skip != 0) {
    cell(tail).store(layout::make_record(RecordKind::skip, 0), std::memory_order_relaxed);
  }
  cell(begin).store(layout::make_record(kind, payload.size()), std::memory_order_relaxed);
  if (kind == RecordKind::block) {
    // Home first: from the commit on the block belongs to the ring, whatever happens to us.
    memory::set_home(block, layout::HomeKind::stream, &ring_, begin + 8);
    cell(begin + 8).store(block, std::memory_order_relaxed);
  } else if (!payload.empty()) {
    copy_bytes(bytes + ((begin + 8) & (size - 1)), payload.data(), payload.size());
  }
  lock.commit(end);
  prefetch_record(ring_, end + 64, memory::prefetch_to_write);  // for the next message
  return Put::done;
}

Waited RingWriter::await_room(std::uint64_t wanted_head, Deadline until) {
  const auto reached_by_reader = [this](std::uint64_t wanted) {
    return reached(ring_.reader.position.load(std::memory_order_acquire), wanted);
  };
  // Whoever can afford to spin does so until a good part of the ring is free, or both sides would
  // fight for the same cache lines at every message.
  const std::uint64_t tail = ring_.writer.position.load(std::memory_order_relaxed);
  const std::uint64_t much = wanted_head + layout::kRingSize / 4;
  const std::uint64_t eager = reached(tail, much) ? much : wanted_head;
  return wait_.wait([&] { return reached_by_reader(eager); },
                    [&] { return reached_by_reader(wanted_head); }, until);
}

void RingWriter::wake() noexcept {
  memory::gate_wake(ring_.reader.moved, memory::kAll);
  memory::gate_wake(ring_.writer.turn, memory::kAll);
}

}  // namespace mp::connection
