// SPDX-License-Identifier: Apache-2.0
// Code that is in no process until it is loaded by its path.
#include <string>

#include "mp/codec.hpp"
#include "mp/process/call.hpp"

extern "C" __attribute__((visibility("default"))) void make_plugin_call(mp::RawCall* call, int x) {
  *call = mp::make_call([](int y) { return "plugin " + std::to_string(y); }, x);
}

extern "C" __attribute__((visibility("default"))) int plugin_function(int x) {
  return x - 1;
}
