// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"
#include "mp/codec/types/variant.hpp"

struct Sent {
#ifdef MP_MUST_FAIL
  union Number {
    int i;
    float f;
  };
#else
  using Number = std::variant<int, float>;
#endif
  Number number;
};

mp::Bytes send(const Sent& value) {
  return mp::encode(value);
}
