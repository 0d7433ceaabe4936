// SPDX-License-Identifier: Apache-2.0
#include "memory/allocator.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "mp/errors/error.hpp"

#include "memory/extents.hpp"
#include "memory/home.hpp"
#include "memory/processes.hpp"
#include "os/check.hpp"
#include "support/child.hpp"

namespace mp::memory {
namespace {

using test::Child;

TEST(Allocator, GivesDistinctWritableBlocks) {
  std::set<std::byte*> seen;
  std::vector<BlockId> ids;
  for (std::uint64_t size : {1u, 64u, 65u, 1000u, 5000u, 70000u, 1u << 20}) {
    for (int i = 0; i < 100; ++i) {
      const Block block = allocate(size);
      ASSERT_NE(block.data, nullptr);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.data) % 64, 0u);
      EXPECT_TRUE(seen.insert(block.data).second);
      EXPECT_GE(block_capacity(block.id), size);
      EXPECT_EQ(block_address(block.id), block.data);
      std::memset(block.data, 0xab, size);
      ids.push_back(block.id);
    }
  }
  for (const BlockId id : ids) {
    EXPECT_TRUE(free_block(id));
  }
}

TEST(Allocator, UsesFreedBlocksAgainUnderANewId) {
  const Block first = allocate(100);
  free_block(first.id);
  const Block second = allocate(100);
  EXPECT_EQ(first.data, second.data);
  EXPECT_NE(first.id, second.id);
  EXPECT_FALSE(free_block(first.id)) << "a stale id frees nothing";
  EXPECT_EQ(block_address(first.id), nullptr);
  EXPECT_TRUE(free_block(second.id));
}

TEST(Allocator, RefusesIdsThatNameNothing) {
  EXPECT_EQ(block_address(0), nullptr);
  EXPECT_EQ(block_address(~0ull), nullptr);
  EXPECT_FALSE(free_block(~0ull));
  EXPECT_FALSE(take_block(~0ull));
  std::mt19937_64 random{1};
  for (int i = 0; i < 10000; ++i) {
    const BlockId id = random();
    if (std::byte* address = block_address(id)) {
      EXPECT_TRUE(Arena::get().contains(Arena::get().offset_of(address), block_capacity(id)));
    }
  }
}

TEST(Allocator, ZeroesWhenAsked) {
  for (std::uint64_t size : {200u, 5000u, 300000u}) {
    const Block dirty = allocate(size);
    std::memset(dirty.data, 0xff, size);
    free_block(dirty.id);
    const Block clean = allocate(size, {.zeroed = true});
    for (std::uint64_t i = 0; i < size; ++i) {
      ASSERT_EQ(clean.data[i], std::byte{0}) << i;
    }
    free_block(clean.id);
  }
}

TEST(Allocator, ThrowsOutOfMemoryWhenTheSystemHasNoPages) {
  const HeapUse before = heap_use();
  os::set_fault_hook([](os::Sys sys) noexcept {
    return sys == os::Sys::madvise_populate || sys == os::Sys::fallocate ? ENOSPC : 0;
  });
  EXPECT_THROW(static_cast<void>(allocate(40 << 20)), OutOfMemory);
  os::set_fault_hook(nullptr);
  EXPECT_EQ(heap_use().blocks, before.blocks);
  const Block block = allocate(40 << 20);
  std::memset(block.data, 1, 40 << 20);
  free_block(block.id);
}

TEST(Allocator, ThrowsOutOfMemoryForSizesBeyondTheArena) {
  EXPECT_THROW(static_cast<void>(allocate(largest_block() * 2)), OutOfMemory);
  EXPECT_THROW(static_cast<void>(allocate(~0ull)), OutOfMemory);
}

TEST(Allocator, TouchesNoPagesOfSparseBlocks) {
  const Block block = allocate(std::uint64_t{8} << 30, {.sparse = true});
  block.data[std::uint64_t{5} << 30] = std::byte{1};
  EXPECT_EQ(block.data[std::uint64_t{6} << 30], std::byte{0});
  free_block(block.id);
}

TEST(Allocator, ServesManyThreadsAtOnce) {
  const HeapUse before = heap_use();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      std::mt19937 random{static_cast<unsigned>(t)};
      std::vector<std::pair<Block, std::byte>> live;
      for (int i = 0; i < 20000; ++i) {
        if (live.size() < 50 && random() % 2 == 0) {
          const std::uint64_t size = 8 + random() % 3000;
          const Block block = allocate(size);
          const std::byte mark{static_cast<unsigned char>(random())};
          std::memset(block.data, static_cast<int>(mark), 8);
          live.emplace_back(block, mark);
        } else if (!live.empty()) {
          const std::size_t pick = random() % live.size();
          for (int b = 0; b < 8; ++b) {
            ASSERT_EQ(live[pick].first.data[b], live[pick].second);
          }
          ASSERT_TRUE(free_block(live[pick].first.id));
          live[pick] = live.back();
          live.pop_back();
        }
      }
      for (auto& [block, mark] : live) {
        free_block(block.id);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(heap_use().blocks, before.blocks);
}

TEST(Allocator, FreesWhatADeadProcessOwned) {
  const HeapUse before = heap_use();
  const ProcessId child = enter_child();
  Child process{[child] {
    become(child);
    for (int i = 0; i < 100; ++i) {
      static_cast<void>(allocate(100u + static_cast<unsigned>(i) * 100u));
    }
  }};
  EXPECT_EQ(process.wait(), test::exited(0));
  EXPECT_EQ(heap_use().blocks, before.blocks + 100);
  bury(child);
  EXPECT_EQ(heap_use().blocks, before.blocks);
}

TEST(Allocator, KeepsWhatADeadProcessHandedOver) {
  const HeapUse before = heap_use();
  const Block cell_block = allocate(64, {.zeroed = true});
  auto* cell = reinterpret_cast<layout::Word64*>(cell_block.data);
  const ProcessId child = enter_child();
  Child process{[child, cell] {
    become(child);
    const Block kept = allocate(1000);
    set_home(kept.id, layout::HomeKind::cell, cell);
    const Block lost = allocate(1000);
    set_home(lost.id, layout::HomeKind::cell, cell);
    cell->store(kept.id);
  }};
  EXPECT_EQ(process.wait(), test::exited(0));
  bury(child);
  EXPECT_EQ(heap_use().blocks, before.blocks + 2);
  EXPECT_NE(block_address(cell->load()), nullptr);
  EXPECT_TRUE(take_block(cell->load()));
  EXPECT_TRUE(free_block(cell->load()));
  free_block(cell_block.id);
}

TEST(Extent, ClassesGrowAndCoverEverySize) {
  for (unsigned c = 1; c < kClasses; ++c) {
    EXPECT_GT(class_size(c), class_size(c - 1));
    EXPECT_EQ(class_size(c) % 64, 0u);
    EXPECT_EQ(class_for(class_size(c)), c);
    EXPECT_EQ(class_for(class_size(c - 1) + 1), c);
  }
  EXPECT_EQ(class_for(1), 0u);
  EXPECT_EQ(class_for(~0ull), kClasses);
}

}  // namespace
}  // namespace mp::memory
