// SPDX-License-Identifier: Apache-2.0
// process/callables.hpp — code in a shared object, of every kind, for the tests to send.
#pragma once

#include <string>

#include "mp/process/raw_call.hpp"

namespace mp::test {

using Unary = int (*)(int);

__attribute__((visibility("default"))) int library_triple(int x);
// A function with internal linkage.
__attribute__((visibility("default"))) Unary library_static();
// Calls that were made inside: of a lambda, and of a partial of a lambda.
__attribute__((visibility("default"))) RawCall library_lambda(int x);
__attribute__((visibility("default"))) RawCall library_partial(const std::string& text);

}  // namespace mp::test
