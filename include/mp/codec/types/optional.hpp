// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/optional.hpp — std::optional: a flag, and the value when there is one.
#pragma once

#include <optional>

#include "mp/codec/traits.hpp"

namespace mp {

template <class T>
struct codec<std::optional<T>> {
  static constexpr std::string_view kName = "optional";
  using Parts = CodecParts<T>;
  static constexpr std::size_t kMinSize = 1;

  static void write(auto& out, const std::optional<T>& value) {
    out.write_raw(static_cast<std::uint8_t>(value.has_value()));
    if (value) {
      mp::write(out, *value);
    }
  }

  static std::optional<T> read(Reader& in) {
    if (in.read_choice(2) == 0) {
      return std::nullopt;
    }
    return std::optional<T>{std::in_place, mp::read<T>(in)};
  }
};

}  // namespace mp
