// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/tuple.hpp — std::tuple and std::pair: the elements in order.
#pragma once

#include <tuple>
#include <utility>

#include "mp/codec/traits.hpp"

namespace mp {

namespace detail {

template <class Tuple, class... T>
struct TupleCodec {
  using Parts = CodecParts<T...>;
  static constexpr std::size_t kMinSize = (kMinSizeOf<T> + ... + 0);
  static constexpr bool kFixed = (kFixedSize<T> && ... && true);

  template <class Out>
  static void write(Out& out, const Tuple& value) {
    std::apply([&out](const T&... element) { (mp::write(out, element), ...); }, value);
  }

  static Tuple read(Reader& in) { return Tuple{mp::read<T>(in)...}; }  // braces: in order
};

}  // namespace detail

template <class... T>
struct codec<std::tuple<T...>> : detail::TupleCodec<std::tuple<T...>, T...> {
  static constexpr std::string_view kName = "tuple";
};

template <class A, class B>
struct codec<std::pair<A, B>> : detail::TupleCodec<std::pair<A, B>, A, B> {
  static constexpr std::string_view kName = "pair";
};

template <>
struct codec<std::tuple<>> {
  static constexpr std::string_view kName = "tuple";
  static constexpr std::size_t kMinSize = 0;
  static constexpr bool kFixed = true;
  static void write(auto&, const std::tuple<>&) noexcept {}
  static std::tuple<> read(Reader&) noexcept { return {}; }
};

}  // namespace mp
