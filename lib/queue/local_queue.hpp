// SPDX-License-Identifier: Apache-2.0
// queue/local_queue.hpp — what one process knows of a queue: its ends, and how long to spin.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "memory/feed.hpp"
#include "memory/spinner.hpp"

namespace mp::detail {

// A queue's descriptor for epoll.
struct QueueFeed {
  explicit QueueFeed(std::shared_ptr<WaitSource> queue)
      : source{std::move(queue)}, feed{std::span{&source, 1}} {}
  std::shared_ptr<WaitSource> source;
  memory::Feed feed;
};

struct LocalQueue {
  std::uint64_t serial = 0;                    // no two queues of this process have the same
  std::atomic<std::uint32_t> closed_after{0};  // the fork_generation in which close() was called
  memory::Spinner put_spinner;
  memory::Spinner get_spinner;
  std::atomic<std::uint64_t> waited_at{0};   // the front when a reader waited last
  std::atomic<std::uint32_t> no_yield{0};    // so many waits are to go by without yielding
  std::atomic<memory::Feed*> feed{nullptr};  // once somebody asked for a descriptor
  std::vector<std::unique_ptr<QueueFeed>> feeds;

  // To be called after each attempt to get.
  void after_getting() noexcept {
    // Relaxed: whoever asked meanwhile finds the descriptor raised for nothing, once.
    if (feed.load(std::memory_order_relaxed) != nullptr) [[unlikely]] {
      feed.load(std::memory_order_acquire)->lower();
    }
  }
};

// One for each queue and process, as long as a handle is there.
[[nodiscard]] std::shared_ptr<LocalQueue> local_queue(std::uint64_t id);

}  // namespace mp::detail
