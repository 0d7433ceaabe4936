// SPDX-License-Identifier: Apache-2.0
// mp/errors/remote_error.hpp — what is known of an exception that was thrown in another process.
//
// An exception that crosses from one process to another arrives as its own type when that type is
// known on both sides (the standard exceptions, those of mp, those given to register_exception),
// and as RemoteError otherwise. Where it was thrown rides beside it, whatever its type:
//
//     try { result.get(); }
//     catch (const std::out_of_range& e) {
//       if (const mp::RemoteInfo* from = mp::remote_info(e)) log(from->process_name, from->stack);
//     }
//
// RemoteInfo is not an exception, so no arriving object has two std::exception bases.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "mp/base/export.hpp"
#include "mp/errors/error.hpp"

namespace mp {

// Where an exception was thrown. Text that could not be had is empty.
struct MP_API RemoteInfo {
  std::string type_name;     // the demangled name of the type that was thrown
  std::string process_name;  // "Process-1", "PoolWorker-3", ...
  int pid = 0;
  std::string stack;  // one frame a line, innermost first
  virtual ~RemoteInfo();
  RemoteInfo() = default;
  RemoteInfo(const RemoteInfo&) = default;
  RemoteInfo(RemoteInfo&&) = default;
  RemoteInfo& operator=(const RemoteInfo&) = default;
  RemoteInfo& operator=(RemoteInfo&&) = default;
};

// Returns what is known of the other process when `error` came from one, otherwise nullptr. The
// pointer is good as long as `error` is.
[[nodiscard]] MP_API const RemoteInfo* remote_info(const std::exception& error) noexcept;

// An exception of a type that this process cannot make again. what() is the original text.
class MP_API RemoteError : public Error {
 public:
  RemoteError(std::string_view text, RemoteInfo info);
  ~RemoteError() override;
  [[nodiscard]] const std::string& type_name() const noexcept { return info_->type_name; }
  [[nodiscard]] const std::string& process_name() const noexcept { return info_->process_name; }
  [[nodiscard]] int pid() const noexcept { return info_->pid; }
  [[nodiscard]] const std::string& stack() const noexcept { return info_->stack; }
  [[nodiscard]] const RemoteInfo& info() const noexcept { return *info_; }

 private:
  std::shared_ptr<const RemoteInfo> info_;
};

}  // namespace mp
