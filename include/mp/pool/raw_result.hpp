// SPDX-License-Identifier: Apache-2.0
// mp/pool/raw_result.hpp — the outcome of one task, as bytes, once there is one.
//
// Threads: all members may be called from any thread.
// Owns:    the outcome, which may be a block of shared memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>

#include "mp/base/bytes.hpp"
#include "mp/base/carrier.hpp"
#include "mp/base/export.hpp"
#include "mp/pool/progress.hpp"

namespace mp {

class RawResult;
using ResultHook = std::function<void(const std::shared_ptr<RawResult>&)>;

class MP_API RawResult {
 public:
  RawResult() noexcept;
  ~RawResult();
  RawResult(const RawResult&) = delete;
  RawResult& operator=(const RawResult&) = delete;

  // Whether the task has ended, and its callbacks have returned.
  [[nodiscard]] bool ready() const noexcept {
    return done_.load(std::memory_order_acquire) != 0;  // pairs with the release in finish
  }

  // What follows expects ready().
  // The outcome as run_call writes it (mp/process/raw_call.hpp), good as long as this is.
  [[nodiscard]] ByteView outcome() const noexcept { return outcome_; }
  // How many items' results it holds; 1 for a plain call.
  [[nodiscard]] std::uint32_t items() const noexcept { return items_; }
  // Lets a Reader of the outcome take the shared objects in it; nullptr when there are none.
  [[nodiscard]] Carrier* carrier() const noexcept { return carrier_.get(); }

 private:
  friend struct ResultAccess;

  ByteView outcome_;
  Bytes bytes_;                // the outcome, when it was short
  std::uint64_t message_ = 0;  // the block it is in otherwise
  std::unique_ptr<Carrier> carrier_;
  ResultHook callback_;                         // run by the pool's own thread before it is ready
  ResultHook listener_;                         // told when it is ready; must not block
  std::shared_ptr<detail::Progress> progress_;  // told before that
  std::uint32_t items_ = 1;
  std::atomic<std::uint32_t> done_{0};
};

}  // namespace mp
