// SPDX-License-Identifier: Apache-2.0
#include <functional>

#include "mp/codec/codec.hpp"
#include "mp/codec/types/optional.hpp"

#ifdef MP_MUST_FAIL
using Sent = std::optional<std::reference_wrapper<int>>;
#else
using Sent = std::optional<int>;
#endif

mp::Bytes send(const Sent& value) {
  return mp::encode(value);
}
