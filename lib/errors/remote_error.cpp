// SPDX-License-Identifier: Apache-2.0
#include "mp/errors/remote_error.hpp"

#include <utility>

namespace mp {

RemoteInfo::~RemoteInfo() = default;

const RemoteInfo* remote_info(const std::exception& error) noexcept {
  if (const auto* remote = dynamic_cast<const RemoteError*>(&error)) {
    return &remote->info();
  }
  return dynamic_cast<const RemoteInfo*>(&error);
}

RemoteError::RemoteError(std::string_view text, RemoteInfo info)
    : Error{Errc::remote, text.empty() ? "an exception of type " + info.type_name + " was thrown"
                                       : std::string{text}},
      info_{std::make_shared<const RemoteInfo>(std::move(info))} {}
RemoteError::~RemoteError() = default;

}  // namespace mp
