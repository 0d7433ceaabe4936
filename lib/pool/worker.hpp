// SPDX-License-Identifier: Apache-2.0
// pool/worker.hpp — what a worker process does all day.
#pragma once

#include <cstdint>

namespace mp::pool {

// The function that a worker runs: takes tasks from the board until it closes, this worker has done
// its share, or its parent is gone.
void worker_main(std::uint64_t board, std::uint32_t index);

// The same, in a process that is no worker's own: its crashes are not noted.
void work_on_board(std::uint64_t board, std::uint32_t index);

}  // namespace mp::pool
