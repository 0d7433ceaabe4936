// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"

#ifdef MP_MUST_FAIL
using Sent = int (*)(int);
#else
using Sent = int;
#endif

mp::Bytes send(const Sent& value) {
  return mp::encode(value);
}
