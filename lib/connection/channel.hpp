// SPDX-License-Identifier: Apache-2.0
// connection/channel.hpp — what is behind a Connection: this process's place at one end.
//
// All handles of an end in one process share one Channel. Every operation is one virtual call, next
// to a fence and a compare-and-swap; what it costs has not been measured alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/connection/parcel.hpp"

#include "memory/feed.hpp"
#include "memory/wait_source.hpp"

namespace mp::detail {

// As a WaitSource it is ready when recv would not wait.
class Channel : public WaitSource {
 public:
  Channel();
  ~Channel() override;

  // Each returns false when `until` has passed, and throws as Connection says.
  virtual bool send(Outgoing& parcel, Deadline until) = 0;
  virtual bool recv(Incoming& parcel, Deadline until) = 0;
  virtual bool poll(Deadline until) = 0;

  virtual void close() noexcept = 0;
  [[nodiscard]] virtual bool closed() const noexcept = 0;
  [[nodiscard]] virtual bool readable() const noexcept = 0;
  [[nodiscard]] virtual bool writable() const noexcept = 0;

  // The object that a message must carry so that its receiver gets this end. Throws UsageError when
  // the end cannot travel so.
  [[nodiscard]] virtual std::uint64_t id() = 0;
  // The socket, -1 when there is none (any more).
  [[nodiscard]] virtual int socket() const noexcept { return -1; }
  [[nodiscard]] int descriptor() final { return socket(); }

  // A descriptor that is readable while recv would not wait. Expects: `self` is this.
  [[nodiscard]] int fileno(const std::shared_ptr<Channel>& self);
  // To be called after each attempt to receive.
  void after_receiving() noexcept {
    // Relaxed: whoever asked for the descriptor meanwhile finds it raised for nothing, once.
    if (feed_.load(std::memory_order_relaxed) != nullptr) [[unlikely]] {
      lower_feed();
    }
  }

 private:
  void lower_feed() noexcept;

  std::atomic<memory::Feed*> feed_{nullptr};
  std::vector<std::unique_ptr<memory::Feed>> feeds_;  // the last one is this process's
};

}  // namespace mp::detail
