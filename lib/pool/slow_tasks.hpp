// SPDX-License-Identifier: Apache-2.0
// pool/slow_tasks.hpp — what workers note of their time on the board, and how it is read.
//
// Threads: a worker writes to its own entry; the parent closes the times of a dead one under its
//          lock, and reads at any time: what it reads may be a task old.
#pragma once

#include <cstdint>
#include <typeinfo>

#include "mp/pool/insights.hpp"

#include "pool/board.hpp"

namespace mp::pool {

// The slowest tasks of a place. Costs one comparison for a task that is not among them.
class SlowTasks {
 public:
  explicit SlowTasks(layout::WorkerEntry& entry) noexcept;
  // The call is still in the slot.
  void note(std::uint64_t ns, const std::type_info* callable,
            const layout::TaskSlot& slot) noexcept {
    if (ns > floor_) [[unlikely]] {
      insert(ns, callable, slot);
    }
  }

 private:
  void insert(std::uint64_t ns, const std::type_info* callable,
              const layout::TaskSlot& slot) noexcept;
  [[nodiscard]] layout::SlowTask& fastest() const noexcept;

  layout::WorkerEntry& entry_;
  std::uint64_t floor_ = 0;
};

// The worker of this place is dead: its times become part of the sums.
void close_times(layout::WorkerEntry& entry) noexcept;

[[nodiscard]] PoolInsights read_insights(const Board& board);

}  // namespace mp::pool
