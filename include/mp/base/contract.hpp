// SPDX-License-Identifier: Apache-2.0
// mp/base/contract.hpp — checks of what a function expects from its caller and promises itself.
//
// MP_EXPECTS(condition, "one sentence") throws UsageError when the caller broke the contract. It
// is always on: a switch would change inline functions from one translation unit to the next.
// MP_ENSURES(condition, "one sentence") guards our own invariants; when one is broken the state,
// which may be shared with other processes, is torn, so the process says so and aborts.
#pragma once

#include "mp/base/export.hpp"

namespace mp::detail {

[[noreturn]] MP_API void throw_usage_error(const char* sentence);
// The builtins, because clang 14 cannot compile libstdc++'s std::source_location.
[[noreturn]] MP_API void invariant_broken(const char* sentence, const char* file = __builtin_FILE(),
                                          unsigned line = __builtin_LINE()) noexcept;

}  // namespace mp::detail

#define MP_EXPECTS(condition, sentence)          \
  do {                                           \
    if (!(condition)) [[unlikely]]               \
      ::mp::detail::throw_usage_error(sentence); \
  } while (false)

// std::source_location would do without __FILE__, but clang has it from 16 on only.
#define MP_ENSURES(condition, sentence)                             \
  do {                                                              \
    if (!(condition)) [[unlikely]]                                  \
      ::mp::detail::invariant_broken(sentence, __FILE__, __LINE__); \
  } while (false)
