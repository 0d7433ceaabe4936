// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

mp::RawCall call() {
#ifdef MP_MUST_FAIL
  return mp::make_call([](const std::string& s) { return s.size(); }, 1);
#else
  return mp::make_call([](const std::string& s) { return s.size(); }, "1");
#endif
}
