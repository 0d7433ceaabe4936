// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

#ifdef MP_MUST_FAIL
int* argument = nullptr;
#else
int argument = 0;
#endif

mp::RawCall call() {
  return mp::make_call([](auto x) { return x == decltype(x){}; }, argument);
}
