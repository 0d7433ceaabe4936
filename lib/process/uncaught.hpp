// SPDX-License-Identifier: Apache-2.0
// process/uncaught.hpp — what a child says of an exception that nobody caught.
#pragma once

#include <functional>

namespace mp::process {

// Runs `body` and returns 0. When an exception leaves it, writes the process's name, the type, text
// and stack of the exception to stderr, and returns 1.
[[nodiscard]] int report_uncaught(const std::function<void()>& body);

}  // namespace mp::process
