// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

int value = 1;

mp::RawCall call() {
#ifdef MP_MUST_FAIL
  return mp::make_call([](int x) { return x; }, std::ref(value));
#else
  return mp::make_call([](int x) { return x; }, value);
#endif
}
