// SPDX-License-Identifier: Apache-2.0
// mp/shared/open_mode.hpp — the words that say whether a named object is to be made or found.
#pragma once

namespace mp {

struct Create {
  explicit Create() = default;
};
struct Open {
  explicit Open() = default;
};
struct OpenOrCreate {
  explicit OpenOrCreate() = default;
};

inline constexpr Create create{};                // it must not be there
inline constexpr Open open{};                    // it must be there
inline constexpr OpenOrCreate open_or_create{};  // whichever it is

}  // namespace mp
