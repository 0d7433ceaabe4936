// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

mp::RawCall call() {
  [[maybe_unused]] int sum = 0;
#ifdef MP_MUST_FAIL
  return mp::make_call([&](int x) { sum += x; }, 1);
#else
  return mp::make_call([&](int x) { return x; }, 1);
#endif
}
