// SPDX-License-Identifier: Apache-2.0
#include "memory/fences.hpp"

#include <chrono>

#include "mp/base/deadline.hpp"

#include "memory/arena.hpp"
#include "os/fork_hook.hpp"
#include "os/futex.hpp"
#include "os/membarrier.hpp"

namespace mp::memory {

namespace {

// Far longer than any CPU keeps a store to itself.
constexpr std::chrono::milliseconds kStoresHaveLeft{1};

[[gnu::hot]] void make_full() {
  detail::fences_are_light.store(false, std::memory_order_relaxed);
}

[[maybe_unused]] const bool hooked = [] {
  os::at_fork(nullptr, nullptr, make_full);
  return true;
}();

}  // namespace

namespace detail {

[[gnu::section("mp_at_fork")]] constinit std::atomic<bool> fences_are_light{false};

void join_heavy_fences() noexcept {
  if (os::membarrier_join()) {
    // seq_cst: who finds it 0 in a heavy fence has stored something before, and we see that.
    Arena::get().header().light.store(1);
    fences_are_light.store(true, std::memory_order_relaxed);
  }
}

}  // namespace detail

void heavy_fence() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (Arena::get().header().light.load() == 0) {
    return;
  }
  if (!os::membarrier_everywhere()) {
    const layout::Word nobody_changes_it{0};
    for (const Deadline until{kStoresHaveLeft}; !until.passed();) {
      os::futex_wait(nobody_changes_it, 0, until);
    }
  }
}

}  // namespace mp::memory
