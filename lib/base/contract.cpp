// SPDX-License-Identifier: Apache-2.0
#include "mp/base/contract.hpp"

#include <cstdio>
#include <cstdlib>

#include "mp/errors/error.hpp"

namespace mp::detail {

void throw_usage_error(const char* sentence) {
  throw UsageError{sentence};
}

void invariant_broken(const char* sentence, const char* file, unsigned line) noexcept {
  std::fprintf(stderr, "mp: broken invariant: %s (%s:%u)\n", sentence, file, line);
  std::abort();
}

}  // namespace mp::detail
