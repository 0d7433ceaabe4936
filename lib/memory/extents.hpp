// SPDX-License-Identifier: Apache-2.0
// memory/extents.hpp — size classes, and where the parts of an extent lie.
//
// The arena from kHeapOffset on is a row of extents without gaps. An extent is committed by one
// word in the extent table; where it begins is where the one before it ends, so everything about it
// follows from the table. Extents are never given back (their pages are), and a block never moves
// to another class: the word of a block is a word of a block for ever, which is what makes looking
// at a block that was freed meanwhile harmless.
//
//   | ExtentHead | leaf bits | summary bits | BlockMeta[n] | padding | block 0 | ... | block n-1 |
//
// Bits are hints: a leaf bit says that a block is probably free, a summary bit that a leaf word is
// probably not zero, a bit of `top` the same of a summary word.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/arena.hpp"

namespace mp::layout {

struct alignas(64) ExtentHead {
  Word64 top;     // hint: summary words that are not zero
  Word virgin;    // hint: no block at or after this was ever used
  Word prepared;  // the pages of blocks below this (and of their metas) were committed
};

}  // namespace mp::layout

namespace mp::memory {

inline constexpr unsigned kClasses = 63;
inline constexpr unsigned kSlotClass = kClasses;  // blocks of kind slots, and nothing else
inline constexpr unsigned kAllClasses = 64;
inline constexpr std::uint64_t kSmallBlock = 64 << 10;  // below, pages are never given back singly

// Bytes of a block of this class: 64, 128, 192, 256, 384, 512, 768, 1024, ...
[[nodiscard]] std::uint64_t class_size(unsigned size_class) noexcept;
// The smallest class whose blocks have `size` bytes; kClasses if there is none.
[[nodiscard]] unsigned class_for(std::uint64_t size) noexcept;

// One extent, as this process sees it.
struct Extent {
  layout::ExtentHead* head;
  layout::Word64* leaf;
  layout::Word64* summary;
  layout::BlockMeta* metas;
  std::byte* blocks;
  std::uint64_t block_size;
  std::uint32_t count;
  std::uint32_t leaf_words;
  std::uint32_t summary_words;
  std::uint8_t size_class;

  [[nodiscard]] std::byte* block(std::uint32_t index) const noexcept {
    return blocks + index * block_size;
  }
};

// The extent at `index` of the table, or nullptr if that entry is empty or nonsense. Cached in this
// process; the address is good for ever.
[[nodiscard]] const Extent* extent_at(std::uint32_t index) noexcept;

// Calls visit(index, extent) for every extent of the class, oldest first, until it returns true.
// Returns whether it did.
template <class Visit>
bool for_each_extent(unsigned size_class, Visit&& visit);
// How many extents there are in all.
[[nodiscard]] std::uint32_t extent_count() noexcept;

// Adds an extent of the class, or finds that another process has just done so. Throws OutOfMemory.
void add_extent(unsigned size_class);

// Makes the pages of the next blocks of `extent` exist, up to and including block `index`.
void prepare_blocks(const Extent& extent, std::uint32_t index);

// The extents of one class, in this process's cache.
struct ClassList {
  static constexpr unsigned kRoom = 256;
  std::atomic<std::uint32_t> count;
  std::uint16_t extents[kRoom];
};
[[nodiscard]] const ClassList& extents_of(unsigned size_class) noexcept;
// Looks for extents that other processes have added. Returns whether there were any.
bool refresh_extents() noexcept;

template <class Visit>
bool for_each_extent(unsigned size_class, Visit&& visit) {
  const ClassList& list = extents_of(size_class);
  // Acquire: pairs with the release in refresh_extents; the entries below count are written.
  const std::uint32_t count = list.count.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t index = list.extents[i];
    if (visit(index, *extent_at(index))) {
      return true;
    }
  }
  return false;
}

}  // namespace mp::memory
