// SPDX-License-Identifier: Apache-2.0
// mp/base/version.hpp — which release of mp this is.
#pragma once

namespace mp {

inline constexpr int kVersionMajor = 0;
inline constexpr int kVersionMinor = 1;
inline constexpr int kVersionPatch = 0;

}  // namespace mp
