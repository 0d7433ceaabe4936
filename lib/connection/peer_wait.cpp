// SPDX-License-Identifier: Apache-2.0
#include "connection/peer_wait.hpp"

#include <chrono>

#include "connection/pipe_object.hpp"
#include "memory/threads.hpp"
#include "os/proc.hpp"

namespace mp::connection {

namespace {

// A look costs some reads of /proc, and finds what nobody else noticed within this time.
constexpr std::chrono::nanoseconds kBetweenLooks = std::chrono::milliseconds{500};

}  // namespace

bool PeerWait::runs_here() const noexcept {
  return peer_cpu() >= 0 && peer_cpu() == os::current_cpu();
}

// Any living thread of a holder will do: when it is gone the others are looked at. Best is the one
// that used the other side last.
memory::ThreadTag PeerWait::whom_to_watch() noexcept {
  const memory::ThreadTag last = peer_.last.load(std::memory_order_relaxed);
  if (last != 0 && !memory::thread_gone(last)) {
    return last;
  }
  memory::ThreadTag watched = watched_.load(std::memory_order_relaxed);
  if (watched == 0 || memory::thread_gone(watched)) {
    watched = thread_of_holder(end_);
    watched_.store(watched, std::memory_order_relaxed);
  }
  return watched;
}

void PeerWait::look_around(bool now) noexcept {
  const std::int64_t time = std::chrono::steady_clock::now().time_since_epoch().count();
  if (now || time - looked_.load(std::memory_order_relaxed) >= kBetweenLooks.count()) {
    looked_.store(time, std::memory_order_relaxed);
    look_for_dead_holders(end_);
  }
}

}  // namespace mp::connection
