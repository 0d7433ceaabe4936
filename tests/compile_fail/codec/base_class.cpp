// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"

struct Base {
  int x;
};
#ifdef MP_MUST_FAIL
struct Sent : Base {
  int y;
};
#else
struct Sent {
  Base base;
  int y;
};
#endif

Sent receive(mp::ByteView bytes) {
  return mp::decode<Sent>(bytes);
}
