// SPDX-License-Identifier: Apache-2.0
// memory/arena_layout.hpp — the bytes of the arena. Only fixed-width integers and atomics.
//
//   0          ArenaHeader          magic, sizes, the tree's gate
//   8 KiB      ExtentWord[4096]     the extent table: one word commits an extent
//   64 KiB     ProcessEntry[4096]   who is in the tree
//   1 MiB      ThreadEntry[16384]   who may own a claim, and the lease that says it lives
//   4 MiB      extents              each: BlockMeta[n], free hints, n blocks of one size
//
// The arena is a sparse file under a long mapping: tables are full size from the start, and their
// pages exist once an entry was used. A fresh page is zero, and zero is a valid initial state of
// everything here, so nothing needs initialising before it is published.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "memory/tags.hpp"
#include "os/robust.hpp"

namespace mp::layout {

using Word = std::atomic<std::uint32_t>;
using Word64 = std::atomic<std::uint64_t>;

inline constexpr std::uint64_t kArenaMagic = 0x314152414e45506dULL;  // "mPENARA1"
inline constexpr std::uint32_t kArenaVersion = 1;

inline constexpr std::uint64_t kExtentTableOffset = 8 << 10;
inline constexpr std::uint64_t kProcessTableOffset = 64 << 10;
inline constexpr std::uint64_t kThreadTableOffset = 1 << 20;
inline constexpr std::uint64_t kHeapOffset = 4 << 20;

struct alignas(64) ArenaHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t header_size;
  std::uint64_t capacity;  // bytes of address space every process maps
  std::uint64_t nonce;     // tells one tree from another

  alignas(64) Word64 file_size;      // hint: the file is at least this long
  Word extent_count;                 // hint: the first extent entry that may be empty
  Word process_cursor;               // hint: where to look for a free process entry
  Word thread_cursor;                // hint: where to look for a free thread entry
  Word process_limit;                // hint: no process entry at or after this was ever used
  Word thread_limit;                 // hint: no thread entry at or after this was ever used
  std::atomic<std::int64_t> cached;  // hint: bytes kept by freed large blocks

  // The tree's gate: always zero. Every sleeper waits on it besides its own word, and whoever is
  // woken through it wakes all the others (gate.hpp).
  alignas(64) Word gate;
  Word deaths;  // counts sweeps, so that a sleeper can tell that somebody died
  Word light;   // whether somebody's fences are light (fences.hpp); never goes back to 0

  // Hints for spinners (gate.cpp): when a word was last woken, in nanoseconds, by its address; and
  // how long it takes from there until the sleeper runs.
  alignas(64) Word wake_price;
  std::array<Word, 64> woken_at;
};
static_assert(sizeof(ArenaHeader) <= kExtentTableOffset);

// One extent: blocks of one size class. The word alone commits it; everything else is derived.
//   [63] valid  [62:34] offset / 4096  [33:28] size class  [27:0] number of blocks - 1
inline constexpr std::uint64_t kExtentValid = std::uint64_t{1} << 63;
static_assert(kExtentTableOffset + memory::kMaxExtents * 8 <= kProcessTableOffset);

// One process.   word: [63:60] state  [59:40] generation  [39:18] pid  [17:0] start time, low bits
enum class ProcessState : std::uint8_t {
  free = 0,
  reserved = 1,  // by its parent, whose pid and start time stand here until the child's are known
  alive = 3,
  exited = 4,  // left in order and owns nothing any more
  dead = 5,    // must be swept
};

struct alignas(128) ProcessEntry {
  Word64 word;
  Word parent;     // ProcessId of who started it, 0 for the root
  Word exit_code;  // kExitKnown | generation << 8 | code, written by the process itself at its end
  Word64 start_time;  // clock ticks since boot, 0 until known
  char name[64];      // for people; may be torn
  Word64 image;       // generation << 44 | os::ProcStat::image / 16, low bits; 0 until known
};
inline constexpr std::uint32_t kExitKnown = 1u << 31;
static_assert(sizeof(ProcessEntry) == 128);
static_assert(kProcessTableOffset + memory::kMaxProcesses * sizeof(ProcessEntry) <=
              kThreadTableOffset);

// One thread. An entry belongs to one process until that process is gone; threads of the process
// use it one after the other, each under a new generation.
//   word: [63:62] state  [61:46] generation  [45:32] first generation of this process, low bits
//         [31:0] ProcessId
enum class ThreadState : std::uint8_t { free = 0, held = 1, idle = 2 };

struct alignas(128) ThreadEntry {
  Word64 word;
  Word first_generation;  // the first generation that the present process used
  Word spare;
  Word64 adopting;  // the object that this thread is about to become a holder of (object.cpp)
  Word64 inside;    // the offset of what it works at by a bias (connection/ring_lock.hpp), or 0
  os::Lease lease;  // held for as long as the thread lives
};
static_assert(sizeof(ThreadEntry) == 128);
static_assert(kThreadTableOffset + memory::kMaxThreads * sizeof(ThreadEntry) <= kHeapOffset);

// One block.   word: [63:62] state  [61:56] kind  [55:32] generation  [31:0] ProcessId of the owner
enum class BlockState : std::uint8_t { free = 0, owned = 1, dying = 2 };

struct BlockMeta {
  Word64 word;
  Word64 home;       // where a committed reference to it is found (home.hpp), 0 = nowhere
  Word64 position;   // for a home in a stream: the block's position there
  Word64 committed;  // bytes at the front of the block whose pages exist
};
static_assert(sizeof(BlockMeta) == 32);

// Head of a block that is a shared object: who holds it.
struct alignas(64) ObjectHead {
  static constexpr unsigned kCells = 6;
  Word type;             // memory::ObjectType
  Word version;          // goes up with every new holder
  Word64 more;           // BlockId of a HolderPage, 0 = none
  Word64 cells[kCells];  // holders, 0 = empty
};
static_assert(sizeof(ObjectHead) == 64);

struct HolderPage {
  static constexpr unsigned kCells = 62;
  Word64 more;
  Word64 spare;
  Word64 cells[kCells];
};
static_assert(sizeof(HolderPage) == 512);

// Head of a block that is a message: the objects that it carries, then the payload.
struct MessageHead {
  std::uint64_t size;      // bytes of payload
  Word objects;            // number of references that follow
  std::uint32_t capacity;  // room for references
};
static_assert(sizeof(MessageHead) == 16);

// An eventcount (gate.hpp).   word: [31:1] sequence  [0] somebody may be asleep
struct Gate {
  Word word;
  Word cpu;  // hint for spinners: the CPU of the last waker + 1, 0 = unknown
};
inline constexpr std::uint32_t kGateSleepers = 1;
inline constexpr std::uint32_t kGateStep = 2;
static_assert(sizeof(Gate) == 8);

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

}  // namespace mp::layout
