// SPDX-License-Identifier: Apache-2.0
// baseline/boost_channels.hpp — Boost.Interprocess' queue of messages.
#pragma once

#include <algorithm>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstddef>
#include <memory>
#include <string>

#include "baseline/posix_channels.hpp"

namespace mp::bench {

// 1024 messages fit, or 64 MiB if that is less.
class BoostMq {
 public:
  using Party = Peer;
  BoostMq(std::size_t size, Placement) {
    const std::string name = unique_name();
    queue_ = std::make_unique<Queue>(boost::interprocess::create_only, name.c_str(),
                                     std::clamp<std::size_t>((64 << 20) / size, 1, 1024), size);
    Queue::remove(name.c_str());
  }
  void put(const void* from, std::size_t size) { queue_->send(from, size, 0); }
  void get(void* to, std::size_t size) {
    Queue::size_type got = 0;
    unsigned priority = 0;
    queue_->receive(to, size, got, priority);
  }

 private:
  using Queue = boost::interprocess::message_queue;
  std::unique_ptr<Queue> queue_;
};

}  // namespace mp::bench
