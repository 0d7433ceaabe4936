// SPDX-License-Identifier: Apache-2.0
// memory/tags.hpp — the names that shared state uses for processes, threads and blocks.
//
//   ProcessId  u32   [31:12] generation  [11:0] index in the process table      0 = nobody
//   ThreadTag  u32   [31:30] zero  [29:14] generation  [13:0] index             0 = nobody
//   BlockId    u64   [63:40] generation  [39:28] extent  [27:0] index           0 = no block
//
// All three carry the generation of the entry they name, so a name that outlives what it named is
// recognised instead of meaning the next user of the same entry. Generations start at 1.
#pragma once

#include <cstdint>

namespace mp::memory {

using ProcessId = std::uint32_t;
using ThreadTag = std::uint32_t;
using BlockId = std::uint64_t;

inline constexpr unsigned kProcessIndexBits = 12;
inline constexpr std::uint32_t kMaxProcesses = 1u << kProcessIndexBits;
inline constexpr std::uint32_t kProcessGenerationMask = (1u << (32 - kProcessIndexBits)) - 1;

inline constexpr unsigned kThreadIndexBits = 14;
inline constexpr unsigned kThreadTagBits = 30;  // the top two bits belong to whoever stores the tag
inline constexpr std::uint32_t kMaxThreads = 1u << kThreadIndexBits;
inline constexpr std::uint32_t kThreadGenerationMask =
    (1u << (kThreadTagBits - kThreadIndexBits)) - 1;

// So many of the entries are given out last, to who then buries some of the dead (P4, T3).
inline constexpr std::uint32_t kLastProcesses = 64;
inline constexpr std::uint32_t kLastThreads = 64;
inline constexpr std::uint32_t kBuriedAtOnce = 16;

inline constexpr unsigned kBlockIndexBits = 28;
inline constexpr unsigned kExtentBits = 12;
inline constexpr unsigned kBlockGenerationBits = 24;
inline constexpr std::uint32_t kMaxExtents = 1u << kExtentBits;
inline constexpr std::uint32_t kBlockGenerationMask = (1u << kBlockGenerationBits) - 1;

constexpr std::uint32_t process_index(ProcessId id) {
  return id & (kMaxProcesses - 1);
}
constexpr std::uint32_t process_generation(ProcessId id) {
  return id >> kProcessIndexBits;
}
constexpr ProcessId make_process_id(std::uint32_t index, std::uint32_t generation) {
  return (generation << kProcessIndexBits) | index;
}

constexpr std::uint32_t thread_index(ThreadTag tag) {
  return tag & (kMaxThreads - 1);
}
constexpr std::uint32_t thread_generation(ThreadTag tag) {
  return (tag >> kThreadIndexBits) & kThreadGenerationMask;
}
constexpr ThreadTag make_thread_tag(std::uint32_t index, std::uint32_t generation) {
  return (generation << kThreadIndexBits) | index;
}

constexpr std::uint32_t block_index(BlockId id) {
  return static_cast<std::uint32_t>(id & ((1u << kBlockIndexBits) - 1));
}
constexpr std::uint32_t block_extent(BlockId id) {
  return static_cast<std::uint32_t>(id >> kBlockIndexBits) & (kMaxExtents - 1);
}
constexpr std::uint32_t block_generation(BlockId id) {
  return static_cast<std::uint32_t>(id >> (kBlockIndexBits + kExtentBits));
}
constexpr BlockId make_block_id(std::uint32_t extent, std::uint32_t index,
                                std::uint32_t generation) {
  return (std::uint64_t{generation} << (kBlockIndexBits + kExtentBits)) |
         (std::uint64_t{extent} << kBlockIndexBits) | index;
}

}  // namespace mp::memory
