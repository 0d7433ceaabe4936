// SPDX-License-Identifier: Apache-2.0
// pool/current_task.hpp — the task at work in this worker, for mp::this_task.
//
// Threads: task_begins and task_ends are the worker's; what tasks ask may come from any thread.
#pragma once

#include "pool/pool_layout.hpp"

namespace mp::pool {

void task_begins(layout::TaskSlot& slot, layout::WorkerEntry& worker) noexcept;
void task_ends() noexcept;

}  // namespace mp::pool
