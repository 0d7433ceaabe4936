// SPDX-License-Identifier: Apache-2.0
#include "mp/pool/raw_result.hpp"

#include <exception>
#include <string>

#include "mp/log.hpp"
#include "mp/process/raw_call.hpp"

#include "pool/result_access.hpp"

namespace mp {

RawResult::RawResult() noexcept = default;

RawResult::~RawResult() {
  if (message_ != 0) {
    memory::free_message(message_);
  }
}

void ResultAccess::set_bytes(RawResult& result, Bytes bytes) {
  result.bytes_ = std::move(bytes);
  result.outcome_ = result.bytes_;
}

void ResultAccess::set_message(RawResult& result, memory::Message message) {
  result.outcome_ = message.payload();
  result.carrier_ = std::make_unique<memory::MessageCarrier>(message.id());
  result.message_ = message.release();
}

void ResultAccess::set_failure(RawResult& result, const std::exception_ptr& error) {
  Writer out;
  write_failure(out, error, {});
  set_bytes(result, out.take());
}

void ResultAccess::run_callback(const std::shared_ptr<RawResult>& result) noexcept {
  if (const auto callback = std::exchange(result->callback_, nullptr)) {
    try {
      callback(result);
    } catch (const std::exception& error) {
      get_logger().error("a callback of a pool failed: " + std::string{error.what()});
    } catch (...) {
      get_logger().error("a callback of a pool failed");
    }
  }
}

void ResultAccess::finish(const std::shared_ptr<RawResult>& result) noexcept {
  const auto listener = std::exchange(result->listener_, nullptr);
  if (const auto progress = std::exchange(result->progress_, nullptr)) {
    progress->advance(result->items_);
  }
  result->done_.store(1, std::memory_order_release);
  if (listener) {
    listener(result);
  }
}

}  // namespace mp
