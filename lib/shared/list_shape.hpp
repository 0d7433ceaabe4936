// SPDX-License-Identifier: Apache-2.0
// shared/list_shape.hpp — where the items of a ShareableList lie: this process's copy, checked
// once.
#pragma once

#include <cstdint>
#include <vector>

#include "mp/shared/shared_memory.hpp"

#include "shared/shareable_list_layout.hpp"

namespace mp::detail {

struct ListShape {
  std::vector<std::uint64_t> offsets{0};  // one more than there are items
  [[nodiscard]] layout::ListPlaces places() const noexcept {
    return {offsets.size() - 1, offsets.back()};
  }
};

// Throws DecodeError if the block holds no list.
[[nodiscard]] ListShape read_list_shape(const SharedMemory& shm);

}  // namespace mp::detail
