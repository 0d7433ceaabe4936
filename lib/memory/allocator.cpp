// SPDX-License-Identifier: Apache-2.0
// Design.  Claiming a block is a CAS on its own word, so the claim carries the claimer's name from
// the first instant; the free bits only say where to look.
//
// Invariants
//   A1  A block is in use exactly while the state in its word is not free.
//   A2  A leaf bit is cleared only by the one who claimed the block, after the claim, and set only
//       after the block was freed. So a set bit may be stale, and a cleared bit over a free block
//       exists only between a free and its bit, or after a kill there; the sweep sets such bits.
//   A3  The generation goes up with every claim, so an id names one life of a block.
//   A4  A free block has home 0.
//   A5  Freeing goes owned -> dying(me) -> free, so exactly one process gives the pages back, also
//       when several sweep at once; a sweep takes over from a dead one by a CAS on the name.
#include "memory/allocator.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "mp/errors/error.hpp"

#include "memory/block_word.hpp"
#include "memory/extents.hpp"
#include "memory/home.hpp"
#include "memory/processes.hpp"
#include "memory/sweep.hpp"

namespace mp::memory {

namespace {

// Freed large blocks keep their pages up to this much in the whole tree, because getting pages from
// the kernel costs as much as filling them.
constexpr std::int64_t kCacheLimit = 64 << 20;

using layout::BlockMeta;
using layout::BlockState;

void set_free_bits(const Extent& extent, std::uint32_t index) noexcept {
  extent.leaf[index / 64].fetch_or(std::uint64_t{1} << (index % 64));
  const std::uint32_t word = index / 64;
  extent.summary[word / 64].fetch_or(std::uint64_t{1} << (word % 64));
  extent.head->top.fetch_or(std::uint64_t{1} << (word / 64));
}

// Whether all three levels lead to the block.
bool has_free_bits(const Extent& extent, std::uint32_t index) noexcept {
  const std::uint32_t word = index / 64;
  return (extent.leaf[word].load() >> (index % 64) & 1) != 0 &&
         (extent.summary[word / 64].load() >> (word % 64) & 1) != 0 &&
         (extent.head->top.load() >> (word / 64) & 1) != 0;
}

// Clears the bit of a block that this thread has just claimed (A2), and the upper bits when they
// cover nothing more. A bit set meanwhile is put back.
void clear_free_bits(const Extent& extent, std::uint32_t index) noexcept {
  const std::uint32_t word = index / 64;
  const std::uint64_t bit = std::uint64_t{1} << (index % 64);
  if ((extent.leaf[word].fetch_and(~bit) & ~bit) != 0) {
    return;
  }
  const std::uint64_t summary_bit = std::uint64_t{1} << (word % 64);
  const std::uint64_t rest = extent.summary[word / 64].fetch_and(~summary_bit) & ~summary_bit;
  if (extent.leaf[word].load() != 0) {
    extent.summary[word / 64].fetch_or(summary_bit);
    extent.head->top.fetch_or(std::uint64_t{1} << (word / 64));
    return;
  }
  if (rest != 0) {
    return;
  }
  const std::uint64_t top_bit = std::uint64_t{1} << (word / 64);
  extent.head->top.fetch_and(~top_bit);
  if (extent.summary[word / 64].load() != 0) {
    extent.head->top.fetch_or(top_bit);
  }
}

// Claims block `index` if it is free. The CAS is the commit of an allocation.
BlockId claim(std::uint32_t extent_index, const Extent& extent, std::uint32_t index, BlockKind kind,
              ProcessId me) noexcept {
  layout::Word64& word = extent.metas[index].word;
  std::uint64_t seen = word.load(std::memory_order_acquire);
  if (word_state(seen) != BlockState::free) {
    return 0;
  }
  const std::uint32_t generation = next_generation(word_generation(seen));
  if (!word.compare_exchange_strong(seen, make_word(BlockState::owned, kind, generation, me))) {
    return 0;
  }
  return make_block_id(extent_index, index, generation);
}

// Looks for a block that was freed.
BlockId claim_freed(std::uint32_t extent_index, const Extent& extent, BlockKind kind,
                    ProcessId me) noexcept {
  std::uint64_t top = extent.head->top.load(std::memory_order_relaxed);  // a hint
  for (; top != 0; top &= top - 1) {
    const auto s = static_cast<std::uint32_t>(std::countr_zero(top));
    if (s >= extent.summary_words) {
      break;
    }
    std::uint64_t summary = extent.summary[s].load(std::memory_order_relaxed);
    for (; summary != 0; summary &= summary - 1) {
      const std::uint32_t w = s * 64 + static_cast<std::uint32_t>(std::countr_zero(summary));
      if (w >= extent.leaf_words) {
        break;
      }
      std::uint64_t leaf = extent.leaf[w].load(std::memory_order_relaxed);
      for (; leaf != 0; leaf &= leaf - 1) {
        const std::uint32_t index = w * 64 + static_cast<std::uint32_t>(std::countr_zero(leaf));
        if (index >= extent.count) {
          break;
        }
        if (const BlockId id = claim(extent_index, extent, index, kind, me)) {
          clear_free_bits(extent, index);
          return id;
        }
      }
    }
  }
  return 0;
}

// Takes a block that was never used.
BlockId claim_virgin(std::uint32_t extent_index, const Extent& extent, BlockKind kind,
                     ProcessId me) {
  layout::Word& virgin = extent.head->virgin;
  std::uint32_t index = virgin.load(std::memory_order_relaxed);  // a hint
  while (index < extent.count) {
    prepare_blocks(extent, index);
    const BlockId id = claim(extent_index, extent, index, kind, me);
    std::uint32_t seen = index;
    while (seen <= index && !virgin.compare_exchange_weak(seen, index + 1)) {
    }
    if (id != 0) {
      return id;
    }
    index = std::max(index + 1, virgin.load(std::memory_order_relaxed));
  }
  return 0;
}

BlockId claim_any(unsigned size_class, BlockKind kind) {
  const ProcessId me = this_process();
  for (;;) {
    BlockId id = 0;
    const auto freed = [&](std::uint32_t index, const Extent& extent) {
      return (id = claim_freed(index, extent, kind, me)) != 0;
    };
    const auto unused = [&](std::uint32_t index, const Extent& extent) {
      return (id = claim_virgin(index, extent, kind, me)) != 0;
    };
    if (for_each_extent(size_class, freed) || for_each_extent(size_class, unused)) {
      return id;
    }
    if (!refresh_extents()) {
      add_extent(size_class);
    }
  }
}

layout::ArenaHeader& header() noexcept {
  return Arena::get().header();
}

// Makes the first `size` bytes of a large block exist.
void commit_block(const Extent& extent, std::uint32_t index, std::uint64_t size) {
  BlockMeta& meta = extent.metas[index];
  const std::uint64_t committed = meta.committed.load(std::memory_order_relaxed);  // we own it
  if (committed != 0) {
    header().cached.fetch_sub(static_cast<std::int64_t>(committed), std::memory_order_relaxed);
  }
  if (committed < size) {
    Arena& arena = Arena::get();
    arena.commit(arena.offset_of(extent.block(index)) + committed, size - committed);
    meta.committed.store(size, std::memory_order_relaxed);
  }
}

// Gives the pages of a large block back, or keeps them for the next allocation.
void retire_pages(const Extent& extent, std::uint32_t index) noexcept {
  BlockMeta& meta = extent.metas[index];
  const auto committed = static_cast<std::int64_t>(meta.committed.load(std::memory_order_relaxed));
  std::atomic<std::int64_t>& cached = header().cached;
  if (committed > 0 && committed <= kCacheLimit / 2 &&
      cached.fetch_add(committed, std::memory_order_relaxed) + committed <= kCacheLimit) {
    return;
  }
  if (committed > 0 && committed <= kCacheLimit / 2) {
    cached.fetch_sub(committed, std::memory_order_relaxed);
  }
  // All of it: a sparse block has pages that were never noted.
  Arena& arena = Arena::get();
  meta.committed.store(0, std::memory_order_relaxed);
  arena.release(arena.offset_of(extent.block(index)), extent.block_size);
}

// The second half of freeing a block, for the one whose name stands in the dying block.
void finish_free(BlockId id, BlockMeta& meta) noexcept {
  const Extent& extent = *extent_at(block_extent(id));
  meta.home.store(0, std::memory_order_relaxed);
  if (extent.block_size >= kSmallBlock) {
    retire_pages(extent, block_index(id));
  }
  // Release: who claims the block next sees our last use of it before its own. No CAS: a dying
  // block is changed by nobody but the one it names, and by the sweep when that one is dead.
  meta.word.store(make_word(BlockState::free, BlockKind::raw, block_generation(id), 0),
                  std::memory_order_release);
  set_free_bits(extent, block_index(id));
}

// Takes over a free that `dead` was killed in.
void resume_free(BlockId id, BlockMeta& meta, std::uint64_t word) noexcept {
  if (meta.word.compare_exchange_strong(word, make_word(BlockState::dying, BlockKind::raw,
                                                        block_generation(id), this_process()))) {
    finish_free(id, meta);
  }
}

}  // namespace

std::uint64_t largest_block() noexcept {
  return std::min(class_size(kClasses - 1), Arena::get().capacity() - layout::kHeapOffset);
}

Block allocate(std::uint64_t size, AllocateOptions options) {
  const bool slots = options.kind == BlockKind::slots && size <= kSlotBlock;
  const unsigned size_class = slots ? kSlotClass : class_for(std::max<std::uint64_t>(size, 1));
  if ((!slots && size_class == kClasses) || size > Arena::get().capacity()) {
    throw OutOfMemory{"a block of " + std::to_string(size) + " bytes is too large for the arena"};
  }
  const BlockId id = claim_any(size_class, options.kind);
  const Extent& extent = *extent_at(block_extent(id));
  const std::uint32_t index = block_index(id);
  extent.metas[index].home.store(0, std::memory_order_relaxed);
  std::byte* data = extent.block(index);
  const bool large = extent.block_size >= kSmallBlock;
  const std::uint64_t dirty =
      large ? extent.metas[index].committed.load(std::memory_order_relaxed) : size;
  if (large && !options.sparse) {
    try {
      commit_block(extent, index, size);
    } catch (...) {
      free_block(id);
      throw;
    }
  }
  if (options.zeroed) {
    // Pages that came just now, or come when touched, are zero already.
    std::memset(data, 0, std::min(size, dirty));
  }
  return {id, data};
}

bool free_block(BlockId id) noexcept {
  BlockMeta* meta = block_meta(id);
  if (meta == nullptr) {
    return false;
  }
  const ProcessId me = this_process();
  std::uint64_t seen = meta->word.load(std::memory_order_acquire);
  const std::uint64_t dying =
      make_word(BlockState::dying, BlockKind::raw, block_generation(id), me);
  do {
    const BlockState state = word_state(seen);
    if (word_generation(seen) != block_generation(id) || state == BlockState::free ||
        (state == BlockState::dying &&
         (word_kind(seen) != BlockKind::object || word_owner(seen) != me))) {
      return false;
    }
  } while (!meta->word.compare_exchange_weak(seen, dying));
  finish_free(id, *meta);
  return true;
}

layout::BlockMeta* block_meta(BlockId id) noexcept {
  const Extent* extent = id == 0 ? nullptr : extent_at(block_extent(id));
  if (extent == nullptr || block_index(id) >= extent->count ||
      block_index(id) >= extent->head->prepared.load(std::memory_order_acquire)) {
    return nullptr;
  }
  return &extent->metas[block_index(id)];
}

std::byte* block_address(BlockId id) noexcept {
  const BlockMeta* meta = block_meta(id);
  if (meta == nullptr) {
    return nullptr;
  }
  const std::uint64_t word = meta->word.load(std::memory_order_acquire);
  if (word_state(word) == BlockState::free || word_generation(word) != block_generation(id)) {
    return nullptr;
  }
  return block_address_unchecked(id);
}

std::byte* block_address_unchecked(BlockId id) noexcept {
  return extent_at(block_extent(id))->block(block_index(id));
}

std::uint64_t block_capacity(BlockId id) noexcept {
  const Extent* extent = extent_at(block_extent(id));
  return extent == nullptr ? 0 : extent->block_size;
}

void set_home(BlockId id, layout::HomeKind kind, const void* home,
              std::uint64_t position) noexcept {
  BlockMeta* meta = block_meta(id);
  meta->position.store(position, std::memory_order_relaxed);
  // Release, and before the commit in program order: the sweep sees the position with the home.
  meta->home.store(make_home(kind, Arena::get().offset_of(home)), std::memory_order_release);
}

bool take_block(BlockId id) noexcept {
  BlockMeta* meta = block_meta(id);
  if (meta == nullptr) {
    return false;
  }
  const ProcessId me = this_process();
  std::uint64_t seen = meta->word.load(std::memory_order_acquire);
  do {
    if (word_state(seen) != BlockState::owned || word_generation(seen) != block_generation(id)) {
      return false;
    }
  } while (!meta->word.compare_exchange_weak(
      seen, make_word(BlockState::owned, word_kind(seen), word_generation(seen), me)));
  return true;
}

HeapUse heap_use() {
  HeapUse use;
  const std::uint32_t extents = extent_count();
  for (std::uint32_t e = 0; e < extents; ++e) {
    const Extent& extent = *extent_at(e);
    const std::uint32_t used = std::min(extent.count, extent.head->prepared.load());
    for (std::uint32_t i = 0; i < used; ++i) {
      const std::uint64_t word = extent.metas[i].word.load(std::memory_order_relaxed);
      if (word_state(word) != BlockState::free) {
        ++use.blocks;
        use.bytes += extent.block_size;
        use.resident +=
            extent.block_size < kSmallBlock ? extent.block_size : extent.metas[i].committed.load();
      }
    }
  }
  return use;
}

// Whether the home that a block names holds a committed reference to it. Everything read here was
// written by processes that may be dead or worse, so it is checked before it is followed.
bool is_at_home(BlockId id, const BlockMeta& meta) noexcept {
  const std::uint64_t home = meta.home.load(std::memory_order_acquire);
  const auto kind = static_cast<layout::HomeKind>(home & 7);
  const std::uint64_t offset = home & ~std::uint64_t{7};
  const Arena& arena = Arena::get();
  if (kind == layout::HomeKind::none || offset < layout::kHeapOffset ||
      offset + sizeof(layout::Slot) > arena.header().file_size.load()) {
    return false;
  }
  switch (kind) {
    case layout::HomeKind::cell:
      return arena.at<layout::Word64>(offset)->load() == id;
    case layout::HomeKind::slot: {
      const auto* slot = arena.at<layout::Slot>(offset);
      const auto state = static_cast<layout::SlotState>(slot->state.load() & 3);
      return (state == layout::SlotState::ready || state == layout::SlotState::reading) &&
             slot->block.load() == id;
    }
    case layout::HomeKind::stream: {
      const std::uint64_t end = arena.header().file_size.load();
      if (offset % alignof(layout::Stream) != 0 || sizeof(layout::Stream) > end - offset) {
        return false;
      }
      const auto* stream = arena.at<layout::Stream>(offset);
      const std::uint64_t position = meta.position.load();
      const std::uint64_t size = stream->size.load();
      const std::uint64_t data = stream->data.load();
      if (!std::has_single_bit(size) || position % 8 != 0 || data % 8 != 0 || size > end ||
          data > end - offset || size > end - offset - data) {
        return false;
      }
      // The cell before the positions: if it holds the id and is taken meanwhile, the taker's name
      // stands in the block before the head moves, which the sweep looks at next.
      const std::uint64_t cell = offset + data + (position & (size - 1));
      const bool named = arena.at<layout::Word64>(cell)->load() == id;
      const std::uint64_t head = stream->head.load();
      return named && position - head < stream->tail.load() - head;
    }
    default:
      return false;
  }
}

// Counts anew what freed blocks keep: a death between a claim or a free and its count left it
// wrong. Others count meanwhile, so it may be off by what they do right now; it is a hint.
void recount_cached() noexcept {
  std::int64_t kept = 0;
  const std::uint32_t extents = extent_count();
  for (std::uint32_t e = 0; e < extents; ++e) {
    const Extent& extent = *extent_at(e);
    const std::uint32_t used = std::min(extent.count, extent.head->prepared.load());
    for (std::uint32_t i = 0; extent.block_size >= kSmallBlock && i < used; ++i) {
      if (word_state(extent.metas[i].word.load(std::memory_order_acquire)) == BlockState::free) {
        kept += static_cast<std::int64_t>(extent.metas[i].committed.load());
      }
    }
  }
  header().cached.store(kept, std::memory_order_relaxed);
}

void sweep_blocks(ProcessId dead, void (*free_message)(BlockId)) noexcept {
  const std::uint32_t extents = extent_count();
  for (std::uint32_t e = 0; e < extents; ++e) {
    const Extent& extent = *extent_at(e);
    const std::uint32_t used = std::min(extent.count, extent.head->prepared.load());
    for (std::uint32_t i = 0; i < used; ++i) {
      BlockMeta& meta = extent.metas[i];
      const std::uint64_t word = meta.word.load(std::memory_order_acquire);
      if (word_state(word) == BlockState::free) {
        // A2: whoever freed it may have been killed before the bit, or between the levels.
        if (i < extent.head->virgin.load() && word_generation(word) != 0 &&
            !has_free_bits(extent, i)) {
          set_free_bits(extent, i);
        }
        continue;
      }
      if (word_owner(word) != dead || word_kind(word) == BlockKind::object) {
        continue;
      }
      const BlockId id = make_block_id(e, i, word_generation(word));
      if (word_state(word) == BlockState::dying) {
        resume_free(id, meta, word);
        continue;
      }
      // The second look: it may have been at home when its word was read, and have been taken by
      // somebody who lives since.
      if (is_at_home(id, meta) || meta.word.load() != word) {
        continue;
      }
      if (word_kind(word) == BlockKind::message) {
        free_message(id);
      } else {
        free_block(id);
      }
    }
  }
  recount_cached();
}

}  // namespace mp::memory
