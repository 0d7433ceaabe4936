// SPDX-License-Identifier: Apache-2.0
// pool/journal_layout.hpp — the bytes of a journal file, version 1.
//
//     JournalHead | record ...
//     record:  JournalRecord | `size` bytes: the result as a codec writes it
//
// All numbers are little-endian. The checksum is CRC-32C over the rest of the record and its bytes.
// A journal ends at its last record that is whole and right.
#pragma once

#include <cstdint>

namespace mp::layout {

struct JournalHead {
  char magic[8];
  std::uint64_t identity;  // of the types of the call
};
static_assert(sizeof(JournalHead) == 16);
inline constexpr char kJournalMagic[8] = {'m', 'p', ' ', 'j', 'r', 'n', 'l', '1'};

struct JournalRecord {
  std::uint32_t checksum;
  std::uint32_t size;
  std::uint64_t item;    // its place in the range
  std::uint64_t digest;  // of the encoded item
};
static_assert(sizeof(JournalRecord) == 24);

}  // namespace mp::layout
