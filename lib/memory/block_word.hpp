// SPDX-License-Identifier: Apache-2.0
// memory/block_word.hpp — the word of a block, taken apart.
//
//   [63:62] state  [61:56] kind  [55:32] generation  [31:0] ProcessId of the owner
#pragma once

#include <cstdint>

#include "memory/allocator.hpp"

namespace mp::memory {

constexpr std::uint64_t make_word(layout::BlockState state, BlockKind kind,
                                  std::uint32_t generation, ProcessId owner) {
  return std::uint64_t{static_cast<std::uint8_t>(state)} << 62 |
         std::uint64_t{static_cast<std::uint8_t>(kind)} << 56 | std::uint64_t{generation} << 32 |
         owner;
}
constexpr layout::BlockState word_state(std::uint64_t word) {
  return static_cast<layout::BlockState>(word >> 62);
}
constexpr BlockKind word_kind(std::uint64_t word) {
  return static_cast<BlockKind>(word >> 56 & 0x3f);
}
constexpr std::uint32_t word_generation(std::uint64_t word) {
  return static_cast<std::uint32_t>(word >> 32) & kBlockGenerationMask;
}
constexpr ProcessId word_owner(std::uint64_t word) {
  return static_cast<ProcessId>(word);
}

// Generation 0 means "never used", so it is skipped when the count wraps.
constexpr std::uint32_t next_generation(std::uint32_t generation) {
  const std::uint32_t next = (generation + 1) & kBlockGenerationMask;
  return next == 0 ? 1 : next;
}

}  // namespace mp::memory
