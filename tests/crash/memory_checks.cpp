// SPDX-License-Identifier: Apache-2.0
#include "memory_checks.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "harness/kill_harness.hpp"
#include "memory/allocator.hpp"
#include "memory/arena.hpp"
#include "memory/block_word.hpp"
#include "memory/extents.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"

namespace mp::crash {
namespace {

using namespace memory;

// Calls visit(extent index, extent, block index, block word) for every block that was ever
// prepared.
template <class Visit>
void for_each_block(Visit visit) {
  const std::uint32_t extents = extent_count();
  for (std::uint32_t e = 0; e < extents; ++e) {
    const Extent& extent = *extent_at(e);
    const std::uint32_t prepared = std::min(extent.count, extent.head->prepared.load());
    for (std::uint32_t i = 0; i < prepared; ++i) {
      visit(e, extent, i, extent.metas[i].word.load());
    }
  }
}

bool bit(const layout::Word64* words, std::uint32_t index) {
  return (words[index / 64].load() >> (index % 64) & 1) != 0;
}

// Whether an allocation that follows the hints comes to the block.
bool can_be_found(const Extent& extent, std::uint32_t index) {
  const bool is_virgin = index >= extent.head->virgin.load();
  return is_virgin || (bit(extent.leaf, index) && bit(extent.summary, index / 64) &&
                       bit(&extent.head->top, index / (64 * 64)));
}

std::string name_of(std::uint32_t extent, std::uint32_t index) {
  return "block " + std::to_string(index) + " of extent " + std::to_string(extent);
}

}  // namespace

std::set<BlockId> blocks_in_use() {
  std::set<BlockId> ids;
  for_each_block([&](std::uint32_t e, const Extent&, std::uint32_t i, std::uint64_t word) {
    if (word_state(word) != layout::BlockState::free) {
      ids.insert(make_block_id(e, i, word_generation(word)));
    }
  });
  return ids;
}

// Others may die, and be buried, all the while: only who is dead before the burying must be gone
// after it.
void bury_and_check_tables() {
  const Arena& arena = Arena::get();
  const auto* processes = arena.at<layout::ProcessEntry>(layout::kProcessTableOffset);
  const auto* threads = arena.at<layout::ThreadEntry>(layout::kThreadTableOffset);
  const auto process_limit = [&] { return arena.header().process_limit.load(); };
  std::set<ProcessId> dead;
  for (std::uint32_t i = 0; i < process_limit(); ++i) {
    const std::uint64_t word = processes[i].word.load();
    const auto generation = static_cast<std::uint32_t>(word >> 40) & kProcessGenerationMask;
    if (const ProcessId id = make_process_id(i, generation); word >> 60 != 0 && is_dead(id)) {
      dead.insert(id);
    }
  }
  bury_the_dead();
  const std::uint32_t thread_limit = arena.header().thread_limit.load();
  check(process_limit() <= kMaxProcesses && thread_limit <= kMaxThreads, "a limit is too high");
  const auto is_entered = [&](ProcessId process) {
    const std::uint64_t word = processes[process_index(process)].word.load();
    return process_index(process) < process_limit() && word >> 60 != 0 &&
           (word >> 40 & kProcessGenerationMask) == process_generation(process);
  };
  for (const ProcessId process : dead) {
    check(!is_entered(process), "somebody dead was not buried");
  }
  for (std::uint32_t i = 0; i < thread_limit; ++i) {
    const std::uint64_t word = threads[i].word.load();
    if (word >> 62 == 0) {
      continue;
    }
    const auto process = static_cast<ProcessId>(word);
    check(!dead.contains(process),
          "thread entry " + std::to_string(i) + " belongs to a dead process");
    check(is_entered(process) || threads[i].word.load() != word,
          "thread entry " + std::to_string(i) + " belongs to a process that is gone");
  }
  const std::uint32_t beyond = process_limit();
  for (std::uint32_t i = beyond; i < beyond + 8 && i < kMaxProcesses; ++i) {
    check(processes[i].word.load() == 0 || i < process_limit(),
          "a process is entered beyond the limit");
  }
}

void check_only_the_living_are_entered(unsigned count) {
  const Arena& arena = Arena::get();
  const auto* processes = arena.at<layout::ProcessEntry>(layout::kProcessTableOffset);
  unsigned entered = 0;
  for (std::uint32_t i = 0; i < arena.header().process_limit.load(); ++i) {
    const std::uint64_t word = processes[i].word.load();
    if (word >> 60 == 0) {
      continue;
    }
    ++entered;
    const auto generation = static_cast<std::uint32_t>(word >> 40) & kProcessGenerationMask;
    check(!is_dead(make_process_id(i, generation)), "a dead process is entered");
  }
  check(entered == count, std::to_string(entered) + " processes are entered, " +
                              std::to_string(count) + " are alive");
}

void check_heap(const std::set<BlockId>& expected, const std::set<BlockId>& perhaps) {
  const std::set<BlockId> used = blocks_in_use();
  for (const BlockId id : expected) {
    check(used.contains(id), "a block that was in use is lost");
  }
  for (const BlockId id : used) {
    if (!expected.contains(id) && !perhaps.contains(id)) {
      throw Broken{name_of(block_extent(id), block_index(id)) + " leaked"};
    }
  }
  std::int64_t kept = 0;
  for_each_block([&](std::uint32_t e, const Extent& extent, std::uint32_t i, std::uint64_t word) {
    const bool is_free = word_state(word) == layout::BlockState::free;
    if (is_free && !can_be_found(extent, i)) {
      throw Broken{name_of(e, i) + " is free and will not be found"};
    }
    if (is_free && extent.metas[i].home.load() != 0) {
      throw Broken{name_of(e, i) + " is free and has a home"};
    }
    if (is_free && extent.block_size >= kSmallBlock) {
      kept += static_cast<std::int64_t>(extent.metas[i].committed.load());
    }
  });
  const std::int64_t cached = Arena::get().header().cached.load();
  check(cached == kept, "freed blocks keep " + std::to_string(kept) + " bytes, counted as " +
                            std::to_string(cached));
}

void use_heap() {
  const std::set<BlockId> before = blocks_in_use();
  struct Held {
    Block block;
    std::uint64_t size;
    int mark;
  };
  std::vector<Held> held;
  const auto is_intact = [](const Held& one) {
    return std::all_of(one.block.data, one.block.data + one.size,
                       [&](std::byte b) { return b == static_cast<std::byte>(one.mark); });
  };
  for (int round = 0; round < 3; ++round) {
    for (const std::uint64_t size : std::array<std::uint64_t, 5>{40, 100, 128, 5000, 70'000}) {
      for (int i = 0; i < 3; ++i) {
        held.push_back({allocate(size), size, static_cast<int>(held.size() + 1)});
        check(!before.contains(held.back().block.id), "a block was given away twice");
        std::memset(held.back().block.data, held.back().mark, size);
      }
    }
    const std::size_t middle = held.size() / 2;
    check(is_intact(held[middle]), "a block is shared");
    check(free_block(held[middle].block.id), "a block cannot be freed");
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(middle));
  }
  for (const Held& one : held) {
    check(is_intact(one), "a block is shared");
    check(free_block(one.block.id), "a block cannot be freed");
  }
  check(blocks_in_use() == before, "freed blocks stay in use");
}

}  // namespace mp::crash
