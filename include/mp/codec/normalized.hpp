// SPDX-License-Identifier: Apache-2.0
// mp/codec/normalized.hpp — the type an argument has after it was sent.
//
// A call's arguments are decayed, and C strings become std::string: `f("abc")` sends a string.
#pragma once

#include <string>
#include <type_traits>

namespace mp::detail {

template <class Decayed>
struct NormalizedDecayed {
  using type = Decayed;
};
template <>
struct NormalizedDecayed<const char*> {
  using type = std::string;
};
template <>
struct NormalizedDecayed<char*> {
  using type = std::string;
};

template <class T>
using Normalized = typename NormalizedDecayed<std::decay_t<T>>::type;

}  // namespace mp::detail
