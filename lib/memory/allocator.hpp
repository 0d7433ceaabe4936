// SPDX-License-Identifier: Apache-2.0
// memory/allocator.hpp — blocks of the arena: size classes, owner tags, no locks.
//
// Every block has a word {state, kind, generation, owner}. Claiming is one CAS free -> owned by
// this process, freeing one CAS back; the words are the truth, and all else (bitmaps of free
// blocks, counters) are hints that may be behind and are set right by the sweep. A process killed
// at any instruction therefore leaves blocks that carry its name, and nothing else.
//
// Threads:   any. Lock-free.
// Processes: a block may be freed by a process other than the one that allocated it.
// Crash:     what the dead owned is freed by sweep_blocks, unless its home holds it (home.hpp).
// Throws:    OutOfMemory; the arena is unchanged then.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/arena.hpp"
#include "memory/home.hpp"
#include "memory/tags.hpp"

namespace mp::memory {

// What a block is for; the sweep treats kinds differently.
enum class BlockKind : std::uint8_t {
  raw = 0,      // bytes; freed with its owner
  message = 1,  // MessageHead, then references and payload (message.hpp)
  fresh = 2,    // an object that is being built; freed with its owner, without destruction
  object = 3,   // ObjectHead, then the object; lives as long as it has holders (object.hpp)
  slots = 4,    // kSlotBlock bytes of slots, in extents of their own: such memory never becomes
                // anything else, so a CAS by somebody late meets a slot word or nothing
};

struct Block {
  BlockId id = 0;
  std::byte* data = nullptr;
  explicit operator bool() const noexcept { return id != 0; }
};

// Bytes of a block of kind slots.
inline constexpr std::uint64_t kSlotBlock = 64 << 10;

// Sizes up to this are served; larger ones throw OutOfMemory.
[[nodiscard]] std::uint64_t largest_block() noexcept;

// Returns a block of at least `size` bytes owned by this process, aligned to 64 bytes (to a page
// from 4 KiB on). Its bytes are whatever was there; `zeroed` makes the first `size` of them zero.
// With `sparse` the pages are not committed: they come when touched.
struct AllocateOptions {
  BlockKind kind = BlockKind::raw;
  bool zeroed = false;
  bool sparse = false;
};
[[nodiscard]] Block allocate(std::uint64_t size, AllocateOptions options = {});

// Gives a block back. An id that is stale (freed already) is left alone; returns whether it freed.
bool free_block(BlockId id) noexcept;

// Returns the address of a block, or nullptr when `id` names no block that is in use: this is the
// check for ids that come from shared memory.
[[nodiscard]] std::byte* block_address(BlockId id) noexcept;
// The address without the check, for ids that this process holds.
[[nodiscard]] std::byte* block_address_unchecked(BlockId id) noexcept;
// Bytes that a block of this id has room for.
[[nodiscard]] std::uint64_t block_capacity(BlockId id) noexcept;
[[nodiscard]] layout::BlockMeta* block_meta(BlockId id) noexcept;

// Notes where a reference to the block is about to be committed. The caller owns the block.
void set_home(BlockId id, layout::HomeKind kind, const void* home,
              std::uint64_t position = 0) noexcept;
// Makes this process the owner of a block whose reference it is about to take out of its home.
// Returns false when the id is stale.
bool take_block(BlockId id) noexcept;

// For counting in tests and tools.
struct HeapUse {
  std::uint64_t blocks = 0;    // in use
  std::uint64_t bytes = 0;     // their capacity
  std::uint64_t resident = 0;  // bytes of committed pages in use
};
[[nodiscard]] HeapUse heap_use();

}  // namespace mp::memory
