// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

#ifdef MP_MUST_FAIL
using Argument = std::string_view;
#else
using Argument = std::string;
#endif

mp::RawCall call(const Argument& argument) {
  return mp::make_call([](const Argument& text) { return text.size(); }, argument);
}
