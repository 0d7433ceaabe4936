// SPDX-License-Identifier: Apache-2.0
// log/log.hpp — what the floors that make processes tell the logger.
#pragma once

#include <string>
#include <string_view>

#include "mp/log.hpp"

namespace mp::log {

// What a new process that is no copy of this one must be told, to log as this one does.
struct Settings {
  LogLevel level = LogLevel::notset;
  bool to_stderr = false;
};

[[nodiscard]] Settings settings() noexcept;
void apply(Settings settings) noexcept;

// The name that lines bear: "MainProcess" until it is set. The view stays good for ever.
[[nodiscard]] std::string_view process_name() noexcept;
// `*name` has to stay as it is for ever.
void set_process_name(const std::string* name) noexcept;

}  // namespace mp::log
