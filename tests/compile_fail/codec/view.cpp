// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include "mp/codec/codec.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/codec/types/vector.hpp"

#ifdef MP_MUST_FAIL
using Sent = std::vector<std::string_view>;
#else
using Sent = std::vector<std::string>;
#endif

mp::Bytes send(const Sent& value) {
  return mp::encode(value);
}
