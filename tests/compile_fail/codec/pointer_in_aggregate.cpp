// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"
#include "mp/codec/types/map.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/codec/types/vector.hpp"

struct Inner {
  int x;
#ifdef MP_MUST_FAIL
  const char* text;
#else
  std::string text;
#endif
};
struct Outer {
  std::map<int, std::vector<Inner>> inner;
};

Outer receive(mp::ByteView bytes) {
  return mp::decode<Outer>(bytes);
}
