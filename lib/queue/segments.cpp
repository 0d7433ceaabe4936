// SPDX-License-Identifier: Apache-2.0
#include "queue/segments.hpp"

#include <array>

#include "mp/errors/error.hpp"

#include "memory/extents.hpp"

namespace mp::queue {

namespace {

using layout::DirectoryPage;
using layout::kDirectoryCells;
using layout::kPageCells;
using layout::kSegmentSlots;
using layout::QueueHead;
using layout::QueueSlot;
using layout::Word64;
using memory::BlockId;

constexpr bool is_block(std::uint64_t cell) {
  return cell >= layout::kSmallestBlockId;
}
constexpr std::uint64_t lap_of(std::uint64_t segment) {
  return segment / kDirectoryCells;
}
// See queue_layout.hpp: generation and lap, above the bit `passed`.
constexpr std::uint64_t seal_of(BlockId id, std::uint64_t segment) {
  return std::uint64_t{memory::block_generation(id)} << 40 | (lap_of(segment) & 0x7f) << 33;
}

// The address of a block of kind slots, or nullptr when the id, which comes from shared memory, is
// none. That a block lies there is for ever; whose it is, the seal says.
QueueSlot* slots_at(BlockId id) noexcept {
  const memory::Extent* extent = memory::extent_at(memory::block_extent(id));
  if (extent == nullptr || extent->size_class != memory::kSlotClass ||
      memory::block_index(id) >= extent->count) {
    return nullptr;
  }
  return reinterpret_cast<QueueSlot*>(extent->block(memory::block_index(id)));
}

DirectoryPage* page_at(const QueueHead& head, std::uint64_t segment) noexcept {
  const BlockId id =
      head.pages[segment % kDirectoryCells / kPageCells].load(std::memory_order_acquire);
  // Pages stay as long as the queue, so the id is good.
  return id == 0 ? nullptr : reinterpret_cast<DirectoryPage*>(memory::block_address(id));
}

// What a cell said while `retired` stood still: then it speaks of this segment and no other lap's.
struct CellView {
  Word64* cell = nullptr;  // nullptr: its page does not exist
  std::uint64_t value = 0;
  std::uint64_t retired = 0;
};

CellView look_up(const QueueHead& head, std::uint64_t segment) noexcept {
  CellView view;
  for (;;) {
    view.retired = head.retired.load();
    DirectoryPage* page = page_at(head, segment);
    view.cell = page == nullptr ? nullptr : &page->cells[segment % kPageCells];
    view.value = view.cell == nullptr ? 0 : view.cell->load();
    if (head.retired.load() == view.retired) {
      return view;
    }
  }
}

// Makes sure that the directory page of the segment exists.
void add_page(QueueHead& head, std::uint64_t segment) {
  Word64& link = head.pages[segment % kDirectoryCells / kPageCells];
  if (link.load(std::memory_order_acquire) != 0) {
    return;
  }
  const memory::Block page = memory::allocate(sizeof(DirectoryPage), {.zeroed = true});
  memory::set_home(page.id, layout::HomeKind::cell, &link);
  std::uint64_t none = 0;
  if (!link.compare_exchange_strong(none, page.id)) {
    memory::free_block(page.id);
  }
}

}  // namespace

namespace detail {

thread_local constinit std::array<Remembered, kRemembered> remembered{};

Place find_anew(const View& queue, Position position) noexcept {
  const std::uint64_t segment = position / kSegmentSlots;
  const CellView view = look_up(*queue.head, segment);
  if (!is_block(view.value) || segment < view.retired ||
      segment - view.retired >= kDirectoryCells) {
    return {};
  }
  QueueSlot* slots = slots_at(view.value);
  if (slots == nullptr) {
    return {};
  }
  const std::uint64_t seal = seal_of(view.value, segment);
  if (queue.serial != 0) {
    place_of(queue, segment) = {queue.serial, segment, slots, seal};
  }
  return {slots + position % kSegmentSlots, seal};
}

}  // namespace detail

void add_segment(const View& queue, Position position) {
  const std::uint64_t segment = position / kSegmentSlots;
  QueueHead& head = *queue.head;
  if (segment >= head.retired.load() && segment - head.retired.load() >= kDirectoryCells) {
    throw OutOfMemory{"a queue cannot hold more than 67 million items"};
  }
  add_page(head, segment);
  const CellView view = look_up(head, segment);
  std::uint64_t vacant = lap_of(segment);
  if (view.cell == nullptr || view.value != vacant) {
    return;  // another process has just added it, or all of it is over already
  }
  const memory::Block block =
      memory::allocate(memory::kSlotBlock, {.kind = memory::BlockKind::slots});
  auto* slots = reinterpret_cast<QueueSlot*>(block.data);
  const std::uint64_t seal = seal_of(block.id, segment);
  for (std::uint64_t i = 0; i < kSegmentSlots; ++i) {
    slots[i].slot.state.store(seal, std::memory_order_relaxed);  // the CAS below publishes
  }
  memory::set_home(block.id, layout::HomeKind::cell, view.cell);
  if (!view.cell->compare_exchange_strong(vacant, block.id)) {  // the commit
    memory::free_block(block.id);
  }
}

void retire_segments(const View& queue) noexcept {
  QueueHead& head = *queue.head;
  for (;;) {
    std::uint64_t segment = head.retired.load();
    if ((segment + 1) * kSegmentSlots > head.head.load()) {
      return;
    }
    const CellView view = look_up(head, segment);
    if (view.cell == nullptr) {
      return;
    }
    if (view.retired != segment) {
      continue;
    }
    if (std::uint64_t id = view.value; is_block(id)) {
      // Owned before it is taken out, so that it is never nobody's. All who come this far free it:
      // an id is good for one life of the block, so one succeeds and the rest do nothing.
      memory::take_block(id);
      view.cell->compare_exchange_strong(id, lap_of(segment) + 1);
      memory::free_block(view.value);
    }
    head.retired.compare_exchange_strong(segment, segment + 1);
  }
}

void free_directory(QueueHead& head, void (*empty)(QueueSlot* slots)) noexcept {
  for (Word64& link : head.pages) {
    const BlockId page_id = link.load();
    std::byte* address = page_id == 0 ? nullptr : memory::block_address(page_id);
    if (address == nullptr) {
      continue;
    }
    for (Word64& cell : reinterpret_cast<DirectoryPage*>(address)->cells) {
      const BlockId id = cell.load();
      if (is_block(id) && memory::block_address(id) != nullptr && slots_at(id) != nullptr) {
        empty(slots_at(id));
        memory::free_block(id);
      }
    }
    memory::free_block(page_id);
  }
}

}  // namespace mp::queue
