// SPDX-License-Identifier: Apache-2.0
// queue/local_queue.hpp — what one process knows of a queue: its ends, and how long to spin.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "memory/spinner.hpp"

namespace mp::detail {

struct LocalQueue {
  std::uint64_t serial = 0;                    // no two queues of this process have the same
  std::atomic<std::uint32_t> closed_after{0};  // the fork_generation in which close() was called
  memory::Spinner put_spinner;
  memory::Spinner get_spinner;
  std::atomic<std::uint64_t> waited_at{0};  // the front when a reader waited last
  std::atomic<std::uint32_t> no_yield{0};   // so many waits are to go by without yielding
};

// One for each queue and process, as long as a handle is there.
[[nodiscard]] std::shared_ptr<LocalQueue> local_queue(std::uint64_t id);

}  // namespace mp::detail
