// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

mp::RawCall call(int offset) {
#ifdef MP_MUST_FAIL
  return mp::make_call([offset](int x) { return x + offset; }, 1);
#else
  return mp::make_call(mp::partial([](int o, int x) { return x + o; }, offset), 1);
#endif
}
