// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

#ifdef MP_MUST_FAIL
const char* name(int) {
  return "name";
}
#else
std::string name(int) {
  return "name";
}
#endif

mp::RawCall call() {
  return mp::make_call(name, 1);
}
