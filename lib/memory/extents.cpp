// SPDX-License-Identifier: Apache-2.0
#include "memory/extents.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "mp/errors/error.hpp"

#include "memory/allocator.hpp"
#include "memory/fork_mutex.hpp"

namespace mp::memory {

namespace {

using layout::Word64;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kMaxBlocks = 64u * 64u * 64u;  // what one `top` word can cover
constexpr std::uint64_t kFirstExtent = 64 << 10;       // bytes of blocks in a class's first extent
constexpr std::uint64_t kPrepareStep = 64 << 10;       // bytes committed at a time

constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t step) {
  return (n + step - 1) / step * step;
}

// 64, then {2^k, 1.5 * 2^k} from 128 on, but for sizes that would break the alignment: multiples of
// 64 throughout, multiples of a page above one page.
constexpr std::array<std::uint64_t, kAllClasses> make_classes() {
  std::array<std::uint64_t, kAllClasses> sizes{};
  std::uint64_t power = 64;
  unsigned next = 0;
  while (next < kClasses) {
    sizes[next++] = power;
    const std::uint64_t middle = power + power / 2;
    const std::uint64_t align = power >= kPage ? kPage : 64;
    if (middle % align == 0 && next < kClasses) {
      sizes[next++] = middle;
    }
    power *= 2;
  }
  sizes[kSlotClass] = kSlotBlock;
  return sizes;
}
constexpr std::array<std::uint64_t, kAllClasses> kSizes = make_classes();

struct Shape {
  std::uint64_t leaf;
  std::uint64_t summary;
  std::uint64_t metas;
  std::uint64_t blocks;
  std::uint64_t end;
  std::uint32_t leaf_words;
  std::uint32_t summary_words;
};

constexpr Shape shape_of(std::uint64_t block_size, std::uint32_t count) {
  Shape shape{};
  shape.leaf_words = (count + 63) / 64;
  shape.summary_words = (shape.leaf_words + 63) / 64;
  shape.leaf = sizeof(layout::ExtentHead);
  shape.summary = shape.leaf + shape.leaf_words * 8ull;
  shape.metas = round_up(shape.summary + shape.summary_words * 8ull, 64);
  shape.blocks = round_up(shape.metas + std::uint64_t{count} * sizeof(layout::BlockMeta), kPage);
  shape.end = round_up(shape.blocks + block_size * count, kPage);
  return shape;
}

// The word of the extent table.
constexpr std::uint64_t make_word(std::uint64_t offset, unsigned size_class, std::uint32_t count) {
  return layout::kExtentValid | (offset / kPage) << 34 | std::uint64_t{size_class} << 28 |
         (count - 1);
}
constexpr std::uint64_t word_offset(std::uint64_t word) {
  return ((word & ~layout::kExtentValid) >> 34) * kPage;
}
constexpr unsigned word_class(std::uint64_t word) {
  return (word >> 28) & (kAllClasses - 1);
}
constexpr std::uint32_t word_count(std::uint64_t word) {
  return static_cast<std::uint32_t>(word & ((1u << 28) - 1)) + 1;
}
constexpr std::uint64_t word_end(std::uint64_t word) {
  return word_offset(word) + shape_of(kSizes[word_class(word)], word_count(word)).end;
}

Word64* extent_table() {
  return Arena::get().at<Word64>(layout::kExtentTableOffset);
}

// This process's cache of the table: entries are filled in order and then never change.
struct Cache {
  std::array<Extent, kMaxExtents> extents;
  std::array<ClassList, kAllClasses> classes;
  std::atomic<std::uint32_t> count{0};
};
Cache cache;
[[gnu::section("mp_at_fork")]] ForkMutex cache_mutex{50};

// The word of a peer may be anything; a word that does not continue the row is not believed.
bool sane(std::uint64_t word, std::uint64_t expected_offset) {
  return (word & layout::kExtentValid) != 0 && word_offset(word) == expected_offset &&
         word_count(word) <= kMaxBlocks && word_end(word) <= Arena::get().capacity();
}

std::uint64_t end_of_row(std::uint32_t count) {
  if (count == 0) {
    return layout::kHeapOffset;
  }
  return word_end(extent_table()[count - 1].load(std::memory_order_acquire));
}

void remember(std::uint32_t index, std::uint64_t word) {
  const unsigned size_class = word_class(word);
  const std::uint32_t count = word_count(word);
  const Shape shape = shape_of(kSizes[size_class], count);
  std::byte* at = Arena::get().base() + word_offset(word);
  cache.extents[index] = {reinterpret_cast<layout::ExtentHead*>(at),
                          reinterpret_cast<Word64*>(at + shape.leaf),
                          reinterpret_cast<Word64*>(at + shape.summary),
                          reinterpret_cast<layout::BlockMeta*>(at + shape.metas),
                          at + shape.blocks,
                          kSizes[size_class],
                          count,
                          shape.leaf_words,
                          shape.summary_words,
                          static_cast<std::uint8_t>(size_class)};
  ClassList& list = cache.classes[size_class];
  const std::uint32_t place = list.count.load(std::memory_order_relaxed);  // guarded by cache_mutex
  if (place < ClassList::kRoom) {
    list.extents[place] = static_cast<std::uint16_t>(index);
    list.count.store(place + 1, std::memory_order_release);  // pairs with for_each_extent
  }
}

// How many blocks the next extent of a class has: each is twice as long as the one before, so that
// a class has few of them however much it holds.
std::uint32_t next_count(unsigned size_class, std::uint32_t extents) {
  const std::uint64_t size = kSizes[size_class];
  const unsigned doublings = std::min(extents, 18u);
  const std::uint64_t count =
      std::max((kFirstExtent << doublings) / size, std::uint64_t{1} << doublings);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(count, 1, kMaxBlocks));
}

}  // namespace

std::uint64_t class_size(unsigned size_class) noexcept {
  return kSizes[size_class];
}

unsigned class_for(std::uint64_t size) noexcept {
  const auto found = std::lower_bound(kSizes.begin(), kSizes.begin() + kClasses, size);
  return static_cast<unsigned>(found - kSizes.begin());
}

const ClassList& extents_of(unsigned size_class) noexcept {
  return cache.classes[size_class];
}

std::uint32_t extent_count() noexcept {
  refresh_extents();
  return cache.count.load(std::memory_order_acquire);
}

bool refresh_extents() noexcept {
  const std::uint32_t known = cache.count.load(std::memory_order_acquire);
  if (known == kMaxExtents || extent_table()[known].load(std::memory_order_acquire) == 0) {
    return false;
  }
  const std::lock_guard hold{cache_mutex};
  std::uint32_t count = cache.count.load(std::memory_order_relaxed);
  for (; count < kMaxExtents; ++count) {
    const std::uint64_t word = extent_table()[count].load(std::memory_order_acquire);
    if (!sane(word, end_of_row(count))) {
      break;
    }
    remember(count, word);
  }
  cache.count.store(count, std::memory_order_release);
  return count != known;
}

const Extent* extent_at(std::uint32_t index) noexcept {
  if (index >= cache.count.load(std::memory_order_acquire)) [[unlikely]] {
    if (index >= kMaxExtents || !refresh_extents() ||
        index >= cache.count.load(std::memory_order_acquire)) {
      return nullptr;
    }
  }
  return &cache.extents[index];
}

void add_extent(unsigned size_class) {
  Arena& arena = Arena::get();
  refresh_extents();
  const std::uint32_t index = cache.count.load(std::memory_order_acquire);
  const std::uint32_t siblings = cache.classes[size_class].count.load(std::memory_order_acquire);
  if (index == kMaxExtents || siblings == ClassList::kRoom) {
    throw OutOfMemory{"the shared arena has no room for another extent"};
  }
  const std::uint64_t offset = end_of_row(index);
  const std::uint64_t size = kSizes[size_class];
  std::uint32_t count = next_count(size_class, siblings);
  while (count > 1 && offset + shape_of(size, count).end > arena.capacity()) {
    count /= 2;
  }
  const Shape shape = shape_of(size, count);
  if (size > arena.capacity() || !arena.contains(offset, shape.end)) {
    throw OutOfMemory{"the shared arena is full"};
  }
  arena.grow(offset + shape.end);
  arena.commit(offset, shape.metas);
  std::uint64_t expected = 0;
  // The commit. Whoever loses finds the winner's extent and looks again.
  extent_table()[index].compare_exchange_strong(expected, make_word(offset, size_class, count));
  refresh_extents();
}

void prepare_blocks(const Extent& extent, std::uint32_t index) {
  const std::uint32_t prepared = extent.head->prepared.load(std::memory_order_acquire);
  if (index < prepared) {
    return;
  }
  Arena& arena = Arena::get();
  const std::uint64_t step = std::max<std::uint64_t>(1, kPrepareStep / extent.block_size);
  const auto until = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(extent.count, round_up(index + std::uint64_t{1}, step)));
  arena.commit(arena.offset_of(extent.metas + prepared),
               (until - prepared) * sizeof(layout::BlockMeta));
  if (extent.block_size < kSmallBlock) {
    arena.commit(arena.offset_of(extent.block(prepared)), (until - prepared) * extent.block_size);
  }
  std::uint32_t seen = prepared;
  while (seen < until && !extent.head->prepared.compare_exchange_weak(seen, until)) {
  }
}

}  // namespace mp::memory
