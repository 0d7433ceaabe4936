// SPDX-License-Identifier: Apache-2.0
// memory/names_layout.hpp — the bytes of a tree's register of named shared memory.
//
//   0        NamesHeader
//   4 KiB    NameEntry[kMaxNames]    288 bytes each
//
// The register is itself a named file, "mp-names-" and the nonce of the tree's arena in
// hexadecimal, so that a stranger can put a dead tree's house in order. Zero is a valid initial
// state.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "memory/arena_layout.hpp"

namespace mp::layout {

inline constexpr std::uint64_t kNamesMagic = 0x3153454d414e506dULL;  // "mPNAMES1"
inline constexpr std::uint64_t kNamesOffset = 4096;
inline constexpr std::uint32_t kMaxNames = 4096;
inline constexpr std::size_t kNameBytes = 256;

struct NamesHeader {
  Word64 magic;
  Word limit;  // hint: no entry at or after this was ever used
  Word spare;
};
static_assert(sizeof(NamesHeader) <= kNamesOffset);

// One name.   word: [33:32] NameState  [31:0] ProcessId of who entered it
//   free -> claimed    a process writes the name
//        -> making     the name is readable; the file is about to be made, its inode is not known
//        -> made       device and inode say which file it is
//        -> free       the name was taken away
enum class NameState : std::uint8_t { free = 0, claimed = 1, making = 2, made = 3 };
enum class NameKind : std::uint32_t {
  block = 0,    // removed with the tree
  segment = 1,  // removed with the tree unless a stranger has it open
};

struct NameEntry {
  Word64 word;
  Word64 device;
  Word64 inode;
  Word kind;
  Word spare;
  char name[kNameBytes];
};
static_assert(sizeof(NameEntry) == 288 && std::is_standard_layout_v<NameEntry>);

inline constexpr std::uint64_t kNamesSize = kNamesOffset + kMaxNames * sizeof(NameEntry);

}  // namespace mp::layout
