// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/value.hpp"

struct Node {
#ifdef MP_MUST_FAIL
  Node* next;
#else
  int next;
#endif
};

int next() {
  const mp::Value<Node> value;
  return value->next != 0 ? 1 : 0;
}
