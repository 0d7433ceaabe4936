// SPDX-License-Identifier: Apache-2.0
// os/robust_mutex.hpp — a recursive mutex between unrelated processes that notices its owner's
// death.
//
// It is the C library's robust mutex: the kernel tells the next one who locks it. That one notes
// the death where its own kind is to find it, and only then lets the mutex go on; should it be
// killed before, the next one is told again. (Closing the mutex for good by not letting it go on is
// the C library's way; glibc's pthread_mutex_trylock leaves such a mutex locked.)
//
// Threads:   any.
// Processes: lies in memory that all of them map, at any address.
// Fork:      a child holds nothing of its parent's.
// Crash:     see above.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mp/base/deadline.hpp"

namespace mp::os {

inline constexpr std::size_t kRobustMutexSize = 40;

enum class Robust : std::uint8_t {
  taken,
  busy,        // until the deadline
  owner_died,  // taken; whoever held it before died with it. To be followed by robust_go_on
};

// Makes one of zeroed memory that nobody else knows yet. `storage` is kRobustMutexSize bytes,
// aligned to 8, here and below.
void robust_init(std::byte* storage);
[[nodiscard]] Robust robust_lock(std::byte* storage, Deadline until);
// Expects that the calling thread holds it.
void robust_unlock(std::byte* storage) noexcept;
// After owner_died: the death is noted.
void robust_go_on(std::byte* storage) noexcept;

}  // namespace mp::os
