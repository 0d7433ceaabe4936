// SPDX-License-Identifier: Apache-2.0
// A message is copied out before the head moves, so until then it stays for others to receive; and
// it is decoded after that, from memory that no other process can change any more.
#include "connection/ring_reader.hpp"

#include <cstring>

#include "mp/errors/error.hpp"

#include "connection/ring_lock.hpp"
#include "memory/allocator.hpp"
#include "memory/gate.hpp"

namespace mp::connection {

bool RingReader::has_message() const noexcept {
  const std::uint64_t head = ring_.reader.position.load(std::memory_order_relaxed);
  // The reader's own line first: it says so without asking for the writer's. A wrong answer, when
  // another reader is about, is put right under the lock.
  return ring_.reader.other.load(std::memory_order_relaxed) != head ||
         ring_.writer.position.load(std::memory_order_acquire) != head;
}

Waited RingReader::await_message(Deadline until) {
  if (has_message()) {
    return Waited::moved;
  }
  // Relaxed: a hint.
  const std::uint64_t head = ring_.reader.position.load(std::memory_order_relaxed);
  const std::uint64_t came = head - waited_at_.exchange(head, std::memory_order_relaxed);
  const auto ready = [this] { return has_message(); };
  return wait_.wait(ready, ready, until, came >= kStream ? kCalm : 0);
}

bool RingReader::poll(Deadline until) {
  return await_message(until) != Waited::timed_out;
}

bool RingReader::recv(mp::detail::Incoming& parcel, Deadline until) {
  for (bool taken = false; !taken;) {
    switch (await_message(until)) {
      case Waited::moved:
        break;
      case Waited::gone:
        throw EOFError{"the other end of the connection is closed and everything was received"};
      case Waited::timed_out:
        return false;
    }
    if (!take(parcel, until, taken)) {
      return false;
    }
  }
  return true;
}

// Takes a message if there still is one. Returns false when the lock could not be had in time.
bool RingReader::take(mp::detail::Incoming& parcel, Deadline until, bool& taken) {
  layout::RingSide& side = ring_.reader;
  RingLock lock{side};
  if (!lock.acquire(until, closed_)) {
    if (closed_.load(std::memory_order_relaxed)) {
      throw ClosedError{"this end of the connection is closed"};
    }
    return false;
  }
  // Relaxed: our own side, under the lock.
  const std::uint64_t head = side.position.load(std::memory_order_relaxed);
  std::uint64_t tail = side.other.load(std::memory_order_relaxed);
  if (tail == head) {
    tail = ring_.writer.position.load(std::memory_order_acquire);  // pairs with the commit
    if (tail == head) {
      return true;
    }
    side.other.store(tail, std::memory_order_relaxed);
  }
  Record record;
  if (!read_record(ring_, head, tail, record)) {
    throw DecodeError{"the pipe's memory was overwritten: there is no message where one must be"};
  }
  if (record.kind == layout::RecordKind::bytes) {
    parcel.check_limit(record.size);
    copy_bytes(parcel.place(record.size), record.payload, record.size);
  } else {
    take_block(parcel, record);
  }
  lock.commit(record.next);
  taken = true;
  return true;
}

// The block gets this process's name before the head moves: until then it belongs to the ring as
// well, afterwards to us alone.
void RingReader::take_block(mp::detail::Incoming& parcel, const Record& record) {
  const std::uint64_t id =
      reinterpret_cast<layout::Word64*>(record.payload)->load(std::memory_order_relaxed);
  if (!memory::take_block(id)) {
    throw DecodeError{"the pipe's memory was overwritten: a message is not where it must be"};
  }
  parcel.adopt_block(id);
}

void RingReader::wake() noexcept {
  memory::gate_wake(ring_.writer.moved, memory::kAll);
  memory::gate_wake(ring_.reader.turn, memory::kAll);
}

}  // namespace mp::connection
