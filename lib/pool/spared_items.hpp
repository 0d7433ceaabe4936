// SPDX-License-Identifier: Apache-2.0
// pool/spared_items.hpp — items of a chunk that are not run again, because each attempt killed its
// worker, with the failures that they have.
#pragma once

#include <cstdint>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/process/raw_call.hpp"

#include "memory/message.hpp"

namespace mp::pool {

struct SparedItem {
  std::uint32_t item;
  Bytes outcome;  // as write_failure writes it
};

// A message with them for a worker. Throws OutOfMemory.
[[nodiscard]] memory::Message write_spared(const std::vector<SparedItem>& items);
// Views into `bytes`. Throws DecodeError.
[[nodiscard]] std::vector<KnownOutcome> read_spared(ByteView bytes);

}  // namespace mp::pool
