// SPDX-License-Identifier: Apache-2.0
// pool/worker.hpp — what a worker process does all day.
#pragma once

#include <cstdint>

namespace mp::pool {

// The function that a worker runs: takes tasks from the board until it closes, this worker has done
// its share, or its parent is gone.
void worker_main(std::uint64_t board, std::uint32_t index);

}  // namespace mp::pool
