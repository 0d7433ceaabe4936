// SPDX-License-Identifier: Apache-2.0
#include "connection/channel.hpp"

#include <mutex>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/fork_mutex.hpp"

namespace mp::detail {

namespace {

[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{27};  // guards feeds_ of every channel

}  // namespace

Channel::Channel() = default;
Channel::~Channel() = default;

int Channel::fileno(const std::shared_ptr<Channel>& self) {
  if (closed()) {
    throw ClosedError{"this end of the connection is closed"};
  }
  MP_EXPECTS(readable(), "this end of the connection only sends: there is nothing to wait for");
  if (const int fd = socket(); fd >= 0) {
    return fd;
  }
  const std::lock_guard hold{mutex};
  if (feeds_.empty() || !feeds_.back()->is_ours()) {
    const std::shared_ptr<WaitSource> source = self;
    feeds_.push_back(std::make_unique<memory::Feed>(std::span{&source, 1}));
    // Those of the processes from which this one was forked stay: a thread may just look at one.
    feed_.store(feeds_.back().get(), std::memory_order_release);
  }
  return feeds_.back()->fileno();
}

void Channel::lower_feed() noexcept {
  feed_.load(std::memory_order_acquire)->lower();
}

}  // namespace mp::detail
