// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"
#include "mp/codec/types/tuple.hpp"

#ifdef MP_MUST_FAIL
using Sent = std::pair<int, std::function<void()>>;
#else
using Sent = std::pair<int, int>;
#endif

mp::Bytes send(const Sent& value) {
  return mp::encode(value);
}
