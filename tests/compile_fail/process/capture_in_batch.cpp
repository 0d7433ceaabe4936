// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

void write(mp::Writer& out, int offset) {
#ifdef MP_MUST_FAIL
  mp::write_batch_head<int>(out, [offset](int x) { return x + offset; });
#else
  mp::write_batch_head<int>(out, mp::partial([](int o, int x) { return x + o; }, offset));
#endif
}
