// SPDX-License-Identifier: Apache-2.0
#include "mp/errors/errc.hpp"

#include <string>

namespace mp {

namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "mp"; }

  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::timed_out:
        return "the time limit passed";
      case Errc::empty:
        return "the queue is empty";
      case Errc::full:
        return "the queue is full";
      case Errc::closed:
        return "the object is closed";
      case Errc::end_of_file:
        return "the other end is closed and nothing is left to receive";
      case Errc::pool_closed:
        return "the pool no longer accepts calls";
      case Errc::queue_closed:
        return "the queue is closed";
      case Errc::bad_encoding:
        return "the bytes are not a valid encoding";
      case Errc::type_mismatch:
        return "the message holds a value of another type";
      case Errc::buffer_too_short:
        return "the message is longer than the buffer";
      case Errc::frame_too_large:
        return "the message is longer than the limit";
      case Errc::authentication_failed:
        return "authentication failed";
      case Errc::owner_died:
        return "the owner died and left the lock closed";
      case Errc::not_owner:
        return "the caller does not own the lock";
      case Errc::over_release:
        return "released more often than acquired";
      case Errc::broken_barrier:
        return "the barrier is broken";
      case Errc::segment_broken:
        return "a process died while it changed the segment";
      case Errc::start_failed:
        return "the process could not be started";
      case Errc::worker_died:
        return "the worker process died";
      case Errc::wrong_process:
        return "the object cannot be used in this process";
      case Errc::remote:
        return "an exception was thrown in another process";
      case Errc::task_timeout:
        return "the task exceeded its time limit";
      case Errc::cancelled:
        return "the task was cancelled";
      case Errc::poison_task:
        return "the task kills its workers";
      case Errc::memory_exceeded:
        return "the task exceeded the memory of a worker";
    }
    return "unknown error " + std::to_string(value);
  }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<Errc>(value)) {
      case Errc::timed_out:
      case Errc::task_timeout:
        return std::errc::timed_out;
      case Errc::empty:
      case Errc::full:
        return std::errc::resource_unavailable_try_again;
      case Errc::end_of_file:
        return std::errc::broken_pipe;
      case Errc::bad_encoding:
      case Errc::type_mismatch:
        return std::errc::bad_message;
      case Errc::buffer_too_short:
      case Errc::frame_too_large:
        return std::errc::message_size;
      case Errc::owner_died:
        return std::errc::owner_dead;
      case Errc::not_owner:
        return std::errc::operation_not_permitted;
      case Errc::segment_broken:
        return std::errc::state_not_recoverable;
      case Errc::cancelled:
        return std::errc::operation_canceled;
      default:
        return {value, *this};
    }
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

std::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

}  // namespace mp
