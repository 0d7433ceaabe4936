// SPDX-License-Identifier: Apache-2.0
// Kills at every instruction of the allocator: nothing that was in use is lost, nothing leaks past
// the sweep, nothing is given away twice, and every free block can be found again.
#include <array>
#include <functional>
#include <gtest/gtest.h>

#include "harness/kill_harness.hpp"
#include "memory/allocator.hpp"
#include "memory/arena.hpp"
#include "memory/extents.hpp"
#include "memory/home.hpp"
#include "memory/message.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"
#include "memory_checks.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace memory;
using test::Shared;

// What the director and its children know of each other besides the arena.
struct Prompt {
  std::array<BlockId, 1024> kept{};   // blocks that must outlive the trial
  std::array<BlockId, 16> perhaps{};  // blocks that the victim may or may not have freed
  std::size_t count = 0;
  std::size_t open = 0;
  BlockId target = 0;

  BlockId keep(const Block& block) { return kept.at(count++) = block.id; }
  BlockId offer(const Block& block) { return target = perhaps.at(open++) = block.id; }
};

class AllocatorKill : public testing::Test {
 protected:
  // An operation on the heap that `arrange` leaves behind.
  Operation on(const char* name, const char* state, std::function<void(Prompt&)> arrange,
               std::function<void(Prompt&)> run) {
    return {.name = name,
            .state = state,
            .setup =
                [this, arrange = std::move(arrange)] {
                  *prompt_ = {};
                  static_cast<void>(this_thread());
                  arrange(*prompt_);
                },
            .warm = [] { static_cast<void>(this_thread()); },
            .run = [this, run = std::move(run)] { run(*prompt_); },
            .while_stopped = [] { use_heap(); },
            .verify =
                [this] {
                  bury_and_check_tables();
                  const Prompt& p = *prompt_;
                  check_heap({p.kept.begin(), p.kept.begin() + p.count},
                             {p.perhaps.begin(), p.perhaps.begin() + p.open});
                  use_heap();
                }};
  }

  Shared<Prompt> prompt_;
};

void take(std::uint64_t size, AllocateOptions options = {}) {
  static_cast<void>(allocate(size, options));
}

TEST_F(AllocatorKill, AllocateFirstBlockOfAClass) {
  expect_survival(on(
      "allocate", "no extent", [](Prompt&) {}, [](Prompt&) { take(100); }));
}

TEST_F(AllocatorKill, AllocateUnusedBlock) {
  expect_survival(on(
      "allocate", "unused block", [](Prompt& p) { p.keep(allocate(100)); },
      [](Prompt&) { take(100); }));
}

TEST_F(AllocatorKill, AllocateFreedBlock) {
  expect_survival(on(
      "allocate", "freed block",
      [](Prompt& p) {
        p.keep(allocate(100));
        const Block freed = allocate(100);
        p.keep(allocate(100));
        free_block(freed.id);
      },
      [](Prompt&) { take(100); }));
}

TEST_F(AllocatorKill, AllocateWhenTheExtentIsFull) {
  expect_survival(on(
      "allocate", "extent full",
      [](Prompt& p) {
        p.keep(allocate(5000));
        const Extent& extent = *extent_at(block_extent(p.kept[0]));
        while (p.count < extent.count) {
          p.keep(allocate(5000));
        }
      },
      [](Prompt&) { take(5000); }));
}

TEST_F(AllocatorKill, AllocateLargeBlock) {
  expect_survival(on(
      "allocate 64 KiB", "no extent", [](Prompt&) {}, [](Prompt&) { take(64 << 10); }));
}

TEST_F(AllocatorKill, AllocateLargeBlockThatKeptItsPages) {
  expect_survival(on(
      "allocate 128 KiB", "64 KiB kept",
      [](Prompt& p) {
        p.keep(allocate(128 << 10));
        const Block shorter = allocate(100 << 10);
        free_block(shorter.id);
      },
      [](Prompt&) { take(128 << 10); }));
}

TEST_F(AllocatorKill, AllocateZeroedBlock) {
  expect_survival(on(
      "allocate zeroed", "freed block", [](Prompt&) { free_block(allocate(1000).id); },
      [](Prompt&) { take(1000, {.zeroed = true}); }));
}

TEST_F(AllocatorKill, FreeOnlyBlock) {
  expect_survival(on(
      "free_block", "only block", [](Prompt& p) { p.offer(allocate(100)); },
      [](Prompt& p) { free_block(p.target); }));
}

TEST_F(AllocatorKill, FreeBlockOfAFullWord) {
  expect_survival(on(
      "free_block", "no free bit set",
      [](Prompt& p) {
        for (int i = 0; i < 70; ++i) {
          i == 33 ? p.offer(allocate(100)) : p.keep(allocate(100));
        }
      },
      [](Prompt& p) { free_block(p.target); }));
}

TEST_F(AllocatorKill, FreeLargeBlock) {
  expect_survival(on(
      "free_block 64 KiB", "pages are kept", [](Prompt& p) { p.offer(allocate(64 << 10)); },
      [](Prompt& p) { free_block(p.target); }));
}

TEST_F(AllocatorKill, FreeSparseBlock) {
  expect_survival(on(
      "free_block 1 MiB", "pages go back",
      [](Prompt& p) { p.offer(allocate(1 << 20, {.sparse = true})); },
      [](Prompt& p) { free_block(p.target); }));
}

TEST_F(AllocatorKill, AllocateAndFree) {
  expect_survival(on(
      "allocate, free_block", "freed block", [](Prompt&) { free_block(allocate(100).id); },
      [](Prompt&) { free_block(allocate(100).id); }));
}

// A reference in a cell: who stores a block's id there has handed the block over.
struct Cell {
  layout::Word64 reference;
};

class HandoverKill : public AllocatorKill {
 protected:
  // The cell itself is a block that the director keeps.
  static Cell& cell_of(const Prompt& p) {
    return *reinterpret_cast<Cell*>(block_address_unchecked(p.kept[0]));
  }

  Operation handover(const char* name, const char* state, std::function<void(Prompt&)> arrange,
                     std::function<void(Prompt&)> run) {
    Operation operation = on(
        name, state,
        [arrange = std::move(arrange)](Prompt& p) {
          p.keep(allocate(sizeof(Cell), {.zeroed = true}));
          arrange(p);
        },
        std::move(run));
    operation.while_stopped = nullptr;
    operation.verify = [this] {
      bury_and_check_tables();
      const Prompt& p = *prompt_;
      const BlockId in_cell = cell_of(p).reference.load();
      std::set<BlockId> expected{p.kept[0]};
      if (in_cell != 0) {
        check(block_address(in_cell) != nullptr, "the cell refers to a block that is free");
        expected.insert(in_cell);
      }
      check_heap(expected);
      if (in_cell != 0) {
        check(take_block(in_cell), "the block in the cell cannot be taken");
        cell_of(p).reference.store(0);
        check(Message::adopt(in_cell).payload().size() == 10, "the message in the cell is torn");
        check_heap({p.kept[0]});
      }
      use_heap();
    };
    return operation;
  }

  static void put(Prompt& p) {
    Message message{10};
    set_home(message.id(), layout::HomeKind::cell, &cell_of(p).reference);
    std::uint64_t empty = 0;
    if (cell_of(p).reference.compare_exchange_strong(empty, message.id())) {  // the commit
      message.release();
    }
  }

  static void get(Prompt& p) {
    const BlockId id = cell_of(p).reference.load();
    if (id != 0 && take_block(id)) {
      std::uint64_t taken = id;
      if (cell_of(p).reference.compare_exchange_strong(taken, 0)) {
        static_cast<void>(Message::adopt(id));
      }
    }
  }
};

TEST_F(HandoverKill, PutIntoACell) {
  expect_survival(handover(
      "handover put", "cell empty", [](Prompt&) {}, [](Prompt& p) { put(p); }));
}

TEST_F(HandoverKill, GetFromACell) {
  expect_survival(handover(
      "handover get", "cell full", [](Prompt& p) { put(p); }, [](Prompt& p) { get(p); }));
}

}  // namespace
}  // namespace mp::crash
