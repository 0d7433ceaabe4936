// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

mp::RawCall call(int* place) {
#ifdef MP_MUST_FAIL
  return mp::make_call(mp::partial([](int* a, int b) { return *a + b; }, place), 2);
#else
  return mp::make_call(mp::partial([](int a, int b) { return a + b; }, *place), 2);
#endif
}
