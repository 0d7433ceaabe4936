// SPDX-License-Identifier: Apache-2.0
// pool/current_task.hpp — the task at work in this worker, for mp::this_task.
//
// Threads: task_begins and task_ends are the worker's; what tasks ask may come from any thread.
#pragma once

#include "pool/pool_layout.hpp"

namespace mp::pool {

void task_begins(layout::TaskSlot& slot, layout::WorkerEntry& worker) noexcept;
void task_ends() noexcept;

// The stream of a call's items, from `first_item` on, that task_seed() numbers are taken from.
[[nodiscard]] std::uint64_t stream_of(std::uint64_t seed, std::uint64_t call,
                                      std::uint64_t first_item) noexcept;

// While it lives: the calling thread runs the task of that stream, and `item` tells at which item
// it is, counted from 1 (0: it has none).
class StreamAtWork {
 public:
  StreamAtWork(std::uint64_t stream, const layout::Word& item) noexcept;
  ~StreamAtWork();
  StreamAtWork(const StreamAtWork&) = delete;
  StreamAtWork& operator=(const StreamAtWork&) = delete;
};

}  // namespace mp::pool
