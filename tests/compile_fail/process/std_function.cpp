// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

int increment(int x) {
  return x + 1;
}

mp::RawCall call() {
#ifdef MP_MUST_FAIL
  return mp::make_call(std::function<int(int)>{increment}, 1);
#else
  return mp::make_call(increment, 1);
#endif
}
