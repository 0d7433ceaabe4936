// SPDX-License-Identifier: Apache-2.0
// connection/pipe_object.hpp — pipes and their ends as shared objects: birth, parts and death.
#pragma once

#include "mp/memory/object_ref.hpp"

#include "connection/pipe_layout.hpp"
#include "memory/tags.hpp"

namespace mp::connection {

struct PipeParts {
  mp::detail::ObjectRef pipe;
  mp::detail::ObjectRef ends[2];
};

// Makes a pipe and its ends, of which this process is the first holder.
[[nodiscard]] PipeParts make_pipe_objects(bool duplex);

// References to an end that a message or argument of this process holds, and to its pipe.
[[nodiscard]] mp::detail::ObjectRef end_from_id(std::uint64_t id);
[[nodiscard]] mp::detail::ObjectRef pipe_of(const mp::detail::ObjectRef& end);

// The ring with this number, nullptr when the pipe has none.
[[nodiscard]] layout::Ring* ring_of(std::byte* pipe, unsigned number) noexcept;
[[nodiscard]] inline std::byte* ring_bytes(layout::Ring& ring) noexcept {
  return reinterpret_cast<std::byte*>(&ring) + ring.data.load(std::memory_order_relaxed);
}

// A record, checked against what the reader knows.
struct Record {
  layout::RecordKind kind;
  std::uint64_t size;      // of the payload
  std::uint64_t position;  // of the payload
  std::uint64_t next;      // where the next record begins
  std::byte* payload;
};
// Looks at the record at `head`, stepping over a skip record. Returns false when the bytes are no
// record, or reach beyond `tail`.
[[nodiscard]] bool read_record(layout::Ring& ring, std::uint64_t head, std::uint64_t tail,
                               Record& record) noexcept;

// Asks for the two lines where a short record at `position` lies.
template <class Prefetch>
void prefetch_record(layout::Ring& ring, std::uint64_t position, Prefetch&& prefetch) noexcept {
  const std::byte* bytes = ring_bytes(ring);
  prefetch(bytes + (position & (layout::kRingSize - 1)));
  prefetch(bytes + ((position + 64) & (layout::kRingSize - 1)));
}

// Buries the holders of an end that died unnoticed, and destroys an end that the dead left half
// destroyed.
void look_for_dead_holders(memory::BlockId end) noexcept;
// A thread of one of the holders of an end, 0 if none is known.
[[nodiscard]] memory::ThreadTag thread_of_holder(memory::BlockId end) noexcept;

}  // namespace mp::connection
