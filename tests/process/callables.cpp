// SPDX-License-Identifier: Apache-2.0
#include "process/callables.hpp"

#include "mp/codec.hpp"
#include "mp/process/call.hpp"

namespace mp::test {

namespace {

int add_seven(int x) {
  return x + 7;
}

}  // namespace

int library_triple(int x) {
  return 3 * x;
}

Unary library_static() {
  return &add_seven;
}

RawCall library_lambda(int x) {
  return make_call([](int y) { return y * y + 1; }, x);
}

RawCall library_partial(const std::string& text) {
  return make_call(partial([](const std::string& a, const std::string& b) { return a + b; }, text),
                   "!");
}

}  // namespace mp::test
