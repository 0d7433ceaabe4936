// SPDX-License-Identifier: Apache-2.0
// pool/result_access.hpp — the executor's side of a RawResult.
#pragma once

#include <exception>
#include <memory>
#include <utility>

#include "mp/pool/raw_result.hpp"

#include "memory/message.hpp"

namespace mp {

struct ResultAccess {
  static void set_hooks(RawResult& result, ResultHook callback, ResultHook listener) {
    result.callback_ = std::move(callback);
    result.listener_ = std::move(listener);
  }
  static void set_progress(RawResult& result, std::shared_ptr<detail::Progress> progress) noexcept {
    result.progress_ = std::move(progress);
  }
  static void set_items(RawResult& result, std::uint32_t items) noexcept {
    result.items_ = items == 0 ? 1 : items;
  }
  [[nodiscard]] static bool has_callback(const RawResult& result) noexcept {
    return result.callback_ != nullptr;
  }

  static void set_bytes(RawResult& result, Bytes bytes);
  // Takes over a message that this process owns.
  static void set_message(RawResult& result, memory::Message message);
  static void set_carrier(RawResult& result, std::unique_ptr<Carrier> carrier) noexcept {
    result.carrier_ = std::move(carrier);
  }
  static void set_failure(RawResult& result, const std::exception_ptr& error);
  [[nodiscard]] static bool has_objects(const RawResult& result) {
    return result.message_ != 0 && !memory::objects_of(result.message_).empty();
  }
  // Whether the outcome that was set is the exception of the call as a whole.
  [[nodiscard]] static bool has_failed(const RawResult& result) noexcept {
    return result.outcome_.empty() || result.outcome_.front() != std::byte{0};
  }

  // Runs the callback, if there is one, and keeps what it throws out of the pool.
  static void run_callback(const std::shared_ptr<RawResult>& result) noexcept;
  // Makes it ready, and tells the listener.
  static void finish(const std::shared_ptr<RawResult>& result) noexcept;
};

}  // namespace mp
