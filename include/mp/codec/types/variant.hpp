// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/variant.hpp — std::variant: the index of the alternative, and its value.
#pragma once

#include <utility>
#include <variant>

#include "mp/base/contract.hpp"
#include "mp/codec/traits.hpp"

namespace mp {

template <class... T>
requires(sizeof...(T) <= 255) struct codec<std::variant<T...>> {
  using Variant = std::variant<T...>;
  static constexpr std::string_view kName = "variant";
  using Parts = CodecParts<T...>;
  static constexpr std::size_t kMinSize = 1;

  static void write(auto& out, const Variant& value) {
    MP_EXPECTS(!value.valueless_by_exception(), "a valueless std::variant cannot be sent");
    out.write_raw(static_cast<std::uint8_t>(value.index()));
    std::visit([&out](const auto& alternative) { mp::write(out, alternative); }, value);
  }

  static Variant read(Reader& in) { return read_alternative<0>(in, in.read_choice(sizeof...(T))); }

 private:
  template <std::size_t I>
  static Variant read_alternative(Reader& in, std::size_t index) {
    if constexpr (I + 1 < sizeof...(T)) {
      if (index != I) {
        return read_alternative<I + 1>(in, index);
      }
    }
    return Variant{std::in_place_index<I>, mp::read<std::variant_alternative_t<I, Variant>>(in)};
  }
};

// No state, no bytes; an aggregate or not, depending on the standard library.
template <>
struct codec<std::monostate> {
  static constexpr std::string_view kName = "monostate";
  static constexpr std::size_t kMinSize = 0;
  static constexpr bool kFixed = true;
  static void write(auto&, const std::monostate&) noexcept {}
  static std::monostate read(Reader&) noexcept { return {}; }
};

}  // namespace mp
