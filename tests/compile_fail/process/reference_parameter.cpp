// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

#ifdef MP_MUST_FAIL
void change(std::string& text) {
  text += "!";
}
#else
void change(std::string&& text) {
  text += "!";
}
#endif

mp::RawCall call() {
  return mp::make_call(change, "text");
}
