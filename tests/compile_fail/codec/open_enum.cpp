// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"

#ifdef MP_MUST_FAIL
enum Color { red, green };
#else
enum Color : int { red, green };
#endif

mp::Bytes send(const Color& value) {
  return mp::encode(value);
}
