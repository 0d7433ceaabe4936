// SPDX-License-Identifier: Apache-2.0
#include <span>

#include "mp/codec/codec.hpp"
#include "mp/codec/types/vector.hpp"

struct Sent {
#ifdef MP_MUST_FAIL
  std::span<int> numbers;
#else
  std::vector<int> numbers;
#endif
};

std::size_t size(const Sent& value) {
  return mp::encoded_size(value);
}
