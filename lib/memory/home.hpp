// SPDX-License-Identifier: Apache-2.0
// memory/home.hpp — how a block says where its committed reference is to be found.
//
// A block is handed over by the same store that commits the operation which hands it over: the
// sender notes in the block where the reference will stand (its home), and commits there. When the
// owner named in the block dies, the sweep asks the home: a block that is referenced from there
// belongs to whoever takes it next, every other block of the dead owner is freed. Three homes:
//
//   cell    a 64-bit cell that equals the block's id.
//   slot    a Slot whose state is ready or reading and whose block field equals the id.
//   stream  a Stream whose head <= position < tail, position being noted in the block, and whose
//           bytes at that position are the id. (The id alone would not do, for bytes stay where
//           they are after they were taken; nor would the position alone, for whoever was killed
//           before its commit has left a position that the next writer commits.)
//
// A taker first writes itself into the block as owner, then takes the reference out of the home.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory/arena_layout.hpp"

namespace mp::layout {

// The head of a slot of a slot ring. The low two bits of `state` are a SlotState; the rest belongs
// to the ring.
enum class SlotState : std::uint8_t { empty = 0, writing = 1, ready = 2, reading = 3 };

struct Slot {
  Word64 state;
  Word64 block;  // BlockId of the payload, 0 when the payload is in the slot
};

// The two positions of a stream and where its bytes are. The positions only grow; position p is
// byte p % size of the ring. They are two cache lines apart, because processors fetch lines in
// pairs; what lies between belongs to whoever made the stream.
struct Stream {
  alignas(128) Word64 head;  // everything before it was taken
  alignas(128) Word64 tail;  // everything before it was committed
  alignas(128) Word64 size;  // bytes in the ring, a power of two
  Word64 data;               // where the ring begins, in bytes from the beginning of this struct
};

enum class HomeKind : std::uint8_t { none = 0, cell = 1, slot = 2, stream = 3 };

}  // namespace mp::layout

namespace mp::memory {

// `offset` is a multiple of 8, so the kind fits below it.
constexpr std::uint64_t make_home(layout::HomeKind kind, std::uint64_t offset) {
  return offset | static_cast<std::uint64_t>(kind);
}

}  // namespace mp::memory
