// SPDX-License-Identifier: Apache-2.0
// connection/pipe_layout.hpp — the bytes of a pipe in shared memory.
//
// A pipe is three objects: the pipe itself, with one or two rings, and two ends. Each end is a
// holder of the pipe, processes and messages hold the ends; so "the end is open" means "the end
// object has holders", and memory/object.cpp does the counting.
//
//   pipe:  PipeHead | Ring 0 | Ring 1 | bytes of ring 0 | bytes of ring 1
//   ring:  record | record | ... ; each: RecordHead (8), payload, padding to a multiple of 8
//
// Ring i is read at end i and written at the other one; a simplex pipe has only ring 0, so end 0 is
// its reader. Positions count bytes and only grow (memory/home.hpp). A record
// never wraps: if it does not fit before the end of the ring, a skip record fills that up, and both
// are committed by the same store of the tail.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/arena_layout.hpp"
#include "memory/home.hpp"

namespace mp::layout {

inline constexpr std::uint64_t kRingSize = 64 << 10;
// Longer messages go as blocks. A quarter of the ring, so that there is room for any record as soon
// as half of the ring is free, skip record included.
inline constexpr std::uint64_t kLongestInline = kRingSize / 4 - 8;

enum class RecordKind : std::uint32_t {
  bytes = 1,  // the message
  block = 2,  // the BlockId of a message block
  skip = 3,   // nothing; go on at the start of the ring
};

// [63:32] kind  [31:0] bytes of payload
constexpr std::uint64_t make_record(RecordKind kind, std::uint64_t size) {
  return std::uint64_t{static_cast<std::uint32_t>(kind)} << 32 | size;
}
constexpr RecordKind record_kind(std::uint64_t record) {
  return static_cast<RecordKind>(record >> 32);
}
constexpr std::uint64_t record_size(std::uint64_t record) {
  return record & 0xffffffffu;
}
constexpr std::uint64_t record_space(std::uint64_t size) {
  return 8 + (size + 7) / 8 * 8;
}

// One side of a ring, written by that side under its lock. The other side looks at the first line
// while it spins, and at the second one only when it sleeps: the lock is not to travel with every
// message.
struct RingSide {
  Word64 position;  // head or tail: the commit
  Word cpu;         // hint: the CPU of the last one + 1

  alignas(64) Word64 other;  // hint: the other side's position as last seen
  std::uint64_t self;        // where this side is in the arena; fixed once the pipe is published
  Word lock;                 // ThreadTag of who works at this side, 0 = nobody, or who has the bias
  Word bias;                 // ThreadTag of who may work here without the lock, 0 = nobody
  Word last;                 // ThreadTag of who worked here last, for the other side to watch
  Word streak;               // how often in a row it has taken the lock
  Word taken_back;           // how often the bias was taken from somebody
  Gate turn;                 // those who wait for the lock
  Gate moved;                // those of the other side who wait for `position` to move
};

struct Ring {
  alignas(128) RingSide reader;
  alignas(128) RingSide writer;
  alignas(128) Word64 size;
  Word64 data;
  Word reader_gone;
  Word writer_gone;
};
static_assert(offsetof(Ring, reader) + offsetof(RingSide, position) == offsetof(Stream, head));
static_assert(offsetof(Ring, writer) + offsetof(RingSide, position) == offsetof(Stream, tail));
static_assert(offsetof(Ring, size) == offsetof(Stream, size));
static_assert(offsetof(Ring, data) == offsetof(Stream, data));
static_assert(sizeof(RingSide) == 128 && sizeof(Ring) == 384 && alignof(Ring) == 128);

struct PipeHead {
  Word rings;
  Word spare;
  Word64 ends[2];  // BlockIds
  Word64 unused[5];
};
static_assert(sizeof(PipeHead) == 64);

// With the ObjectHead in front the rings are aligned.
static_assert((sizeof(ObjectHead) + sizeof(PipeHead)) % alignof(Ring) == 0);

struct PipeEnd {
  Word64 self;  // BlockId; 0 until the end is about to become a holder of the pipe
  Word64 pipe;  // BlockId
  Word side;    // 0 or 1
};

}  // namespace mp::layout
