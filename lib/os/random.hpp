// SPDX-License-Identifier: Apache-2.0
// os/random.hpp — bytes that nobody can foretell.
#pragma once

#include "mp/base/bytes.hpp"

namespace mp::os {

// Fills at most 256 bytes. Throws OsError.
void fill_random(MutableByteView bytes);

}  // namespace mp::os
