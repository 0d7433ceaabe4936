// SPDX-License-Identifier: Apache-2.0
// baseline/thread_channels.hpp — queues between the threads of one process.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <thread>
#ifdef MP_BENCH_MOODYCAMEL
#include <concurrentqueue/concurrentqueue.h>
#endif
#ifdef MP_BENCH_TBB
#include <oneapi/tbb/concurrent_queue.h>
#endif

#include "support/peer.hpp"
#include "support/placement.hpp"

namespace mp::bench {

// What a queue of threads passes by value.
using ThreadMessage = std::array<std::byte, 64>;

// A queue with Queue::try_dequeue or ::try_pop; who finds it empty yields.
template <class Queue>
class ThreadChannel {
 public:
  using Party = ThreadPeer;
  ThreadChannel(std::size_t, Placement) {}
  void put(const void* from, std::size_t) { put(*static_cast<const ThreadMessage*>(from)); }
  void get(void* to, std::size_t) {
    while (!try_get(*static_cast<ThreadMessage*>(to))) {
      std::this_thread::yield();
    }
  }

 private:
  void put(const ThreadMessage& message) {
    if constexpr (requires { queue_.enqueue(message); }) {
      queue_.enqueue(message);
    } else {
      queue_.push(message);
    }
  }
  bool try_get(ThreadMessage& message) {
    if constexpr (requires { queue_.try_dequeue(message); }) {
      return queue_.try_dequeue(message);
    } else {
      return queue_.try_pop(message);
    }
  }

  Queue queue_;
};

#ifdef MP_BENCH_MOODYCAMEL
using Moodycamel = ThreadChannel<moodycamel::ConcurrentQueue<ThreadMessage>>;
#endif
#ifdef MP_BENCH_TBB
using TbbQueue = ThreadChannel<oneapi::tbb::concurrent_queue<ThreadMessage>>;
#endif

}  // namespace mp::bench
