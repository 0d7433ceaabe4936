// SPDX-License-Identifier: Apache-2.0
// queue/queue_layout.hpp — the bytes of a queue. Only fixed-width integers and atomics.
//
//   QueueHead (a shared object)           directory page (raw block)        segment (slots block)
//   +---------------------------+         +----------------------+          +--------------------+
//   | capacity, kind, flags     |         | cell of segment 0    |--------->| slot of position 0 |
//   | tail                      |    +--->| cell of segment 1    |          | slot of position 1 |
//   | front, head, retired      |    |    | ...                  |          | ...                |
//   | gates                     |    |    +----------------------+          +--------------------+
//   | pages[128]                |----+
//   +---------------------------+
//
// Position p lies in segment s = p / 512. The cell of s is cell s mod 131072 of the directory, and
// its lap is s / 131072. A cell holds a BlockId, or, when there is no segment, the lap that it is
// vacant for: 0 in a fresh page, one more each time a segment is taken out. The smallest BlockId is
// larger than any lap.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/allocator.hpp"
#include "memory/arena_layout.hpp"
#include "memory/home.hpp"

namespace mp::layout {

// The word of a slot (Slot::state).
//   [63:40] generation of the segment's block   [39:33] lap of its cell, low bits   [32] passed
//   [31:2] ThreadTag of the owner, or a SlotMark   [1:0] SlotState
// The part above `passed` is the seal: it tells one life of this memory from every other.
inline constexpr std::uint64_t kSlotStateMask = 3;
inline constexpr std::uint64_t kSlotPassed = std::uint64_t{1} << 32;
inline constexpr std::uint64_t kSlotSealMask = ~((std::uint64_t{1} << 33) - 1);
// Marks of a slot whose state is empty. A ThreadTag is never that small.
inline constexpr std::uint64_t kSlotTaken = std::uint64_t{1} << 2;  // an item was here
inline constexpr std::uint64_t kSlotTombstone = std::uint64_t{2}
                                                << 2;  // its writer gave up or died

struct alignas(128) QueueSlot {
  static constexpr std::size_t kInline = 104;
  Slot slot;
  std::uint32_t size;  // bytes of the item, when it lies in the slot
  std::uint32_t spare;
  std::byte bytes[kInline];
};
static_assert(sizeof(QueueSlot) == 128);

inline constexpr std::uint64_t kSegmentSlots = memory::kSlotBlock / sizeof(QueueSlot);
inline constexpr std::uint64_t kPageCells = 1024;
inline constexpr std::uint64_t kPages = 128;
inline constexpr std::uint64_t kDirectoryCells = kPageCells * kPages;
inline constexpr std::uint64_t kSmallestBlockId = std::uint64_t{1} << 40;
static_assert(kSegmentSlots == 512);

struct DirectoryPage {
  Word64 cells[kPageCells];
};

inline constexpr std::uint32_t kQueueShut = 1;        // nothing more may be put
inline constexpr std::uint32_t kQueueTerminated = 2;  // nothing more may be got either

struct QueueHead {
  alignas(64) std::uint64_t capacity;  // how many items fit, 0 = no bound
  std::uint64_t self;                  // where this is in the arena; fixed once it is published
  Word flags;

  // Hint: every position before it was claimed by a writer.
  alignas(64) Word64 tail;
  Word sole_writer;  // alone.hpp

  // Where readers look: every item before it was claimed by a reader, but for those that are
  // committed or given back late.
  alignas(64) Word64 front;
  Word64 head;        // everything before it is finished; grows only
  Word64 retired;     // segments before it were given back
  Word64 ragged;      // every slot at or after max(front, this) that was claimed is not finished
  Word64 tombstones;  // [63:40] how many there were before head  [39:0] the last one's position + 1
  Word64 pulled;  // a position + 1 that the front is to go back to, for the sole reader; 0 = none
  Word sole_reader;  // alone.hpp

  alignas(64) Gate not_empty;
  alignas(64) Gate not_full;
  alignas(64) Word64 done;  // how many items were reported by task_done
  Gate all_done;

  alignas(64) Word64 pages[kPages];  // BlockIds of DirectoryPages
};
static_assert(sizeof(QueueHead) == 6 * 64 + kPages * 8);

}  // namespace mp::layout
