// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"
#include "mp/codec/types/string.hpp"

struct Sent {
#ifdef MP_MUST_FAIL
  const std::string& text;
#else
  std::string text;
#endif
};

mp::Bytes send(const Sent& value) {
  return mp::encode(value);
}
