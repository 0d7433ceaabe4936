// SPDX-License-Identifier: Apache-2.0
// codec/arrived.hpp — an exception of a known type that is thrown again in this process.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "mp/errors/remote_error.hpp"

namespace mp::codec_detail {

// An E from another process, with the text it had there: constructors of the standard exceptions
// add to theirs, so the text could not be given to them again.
template <class E>
class ArrivedKnown final : public E, public RemoteInfo {
 public:
  template <class... Args>
  ArrivedKnown(const std::string& text, RemoteInfo info, Args&&... args)
      : E(std::forward<Args>(args)...),
        RemoteInfo{std::move(info)},
        text_{std::make_shared<const std::string>(text)} {}
  const char* what() const noexcept override { return text_->c_str(); }

 private:
  std::shared_ptr<const std::string> text_;
};

template <class E, class... Args>
std::exception_ptr arrive(const std::string& text, RemoteInfo info, Args&&... args) {
  return std::make_exception_ptr(
      ArrivedKnown<E>{text, std::move(info), std::forward<Args>(args)...});
}

}  // namespace mp::codec_detail
