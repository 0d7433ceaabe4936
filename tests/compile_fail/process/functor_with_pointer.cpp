// SPDX-License-Identifier: Apache-2.0
#include "mp/codec.hpp"
#include "mp/process/call.hpp"

struct Functor {
#ifdef MP_MUST_FAIL
  const int* factor;
  int operator()(int x) const {
    return x * *factor;
  }
#else
  int factor;
  int operator()(int x) const {
    return x * factor;
  }
#endif
};

mp::RawCall call(const Functor& functor) {
  return mp::make_call(functor, 2);
}
