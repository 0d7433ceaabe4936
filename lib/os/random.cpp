// SPDX-License-Identifier: Apache-2.0
#include "os/random.hpp"

#include <unistd.h>

#include "os/check.hpp"

namespace mp::os {

void fill_random(MutableByteView bytes) {
  check(call(Sys::getrandom, [&] { return ::getentropy(bytes.data(), bytes.size()); }));
}

}  // namespace mp::os
