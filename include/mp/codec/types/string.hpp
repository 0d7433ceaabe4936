// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/string.hpp — std::basic_string: a count and the characters.
#pragma once

#include <string>

#include "mp/codec/traits.hpp"

namespace mp {

template <class C, class Traits, class A>
requires detail::kDenseType<C>
struct codec<std::basic_string<C, Traits, A>> {
  using String = std::basic_string<C, Traits, A>;
  static constexpr std::string_view kName = std::is_same_v<C, char> ? "string" : "basic_string";
  using Parts = std::conditional_t<std::is_same_v<C, char>, CodecParts<>, CodecParts<C>>;
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);
  static constexpr bool kLeaf = true;

  static void write(auto& out, const String& value) {
    out.write_count(value.size());
    out.write_bytes(value.data(), value.size() * sizeof(C));
  }

  static String read(Reader& in) {
    const std::size_t count = in.read_count(sizeof(C), sizeof(C));
    const ByteView bytes = in.read_view(count * sizeof(C));
    if constexpr (sizeof(C) == 1) {
      return String(reinterpret_cast<const C*>(bytes.data()), count);
    } else {
      String value(count, C{});
      if (count != 0) {
        std::memcpy(value.data(), bytes.data(), bytes.size());
      }
      return value;
    }
  }
};

}  // namespace mp
