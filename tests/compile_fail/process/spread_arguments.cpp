// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

using Item = std::pair<std::string, int>;

void write(mp::Writer& out) {
#ifdef MP_MUST_FAIL
  mp::write_batch_head<Item, mp::Spread::yes>(out, [](int a, int b) { return a + b; });
#else
  mp::write_batch_head<Item, mp::Spread::yes>(out, [](const std::string&, int b) { return b; });
#endif
}
