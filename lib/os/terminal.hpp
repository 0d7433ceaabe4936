// SPDX-License-Identifier: Apache-2.0
// os/terminal.hpp — what stands behind stderr.
//
// Threads: may be called from any thread.
#pragma once

#include <cstdint>

namespace mp::os {

enum class StreamKind : std::uint8_t { closed, file, terminal };

[[nodiscard]] StreamKind stderr_kind() noexcept;
// Columns of the terminal behind stderr at this moment; 80 when it does not tell.
[[nodiscard]] unsigned terminal_width() noexcept;

}  // namespace mp::os
