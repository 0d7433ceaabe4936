// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

mp::RawCall call(int offset) {
#ifdef MP_MUST_FAIL
  return mp::make_call(mp::partial([offset](int a, int b) { return a + b + offset; }, 1), 2);
#else
  return mp::make_call(mp::partial([](int o, int a, int b) { return a + b + o; }, offset, 1), 2);
#endif
}
