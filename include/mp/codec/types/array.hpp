// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/array.hpp — std::array: the elements, without a count.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "mp/codec/traits.hpp"
#include "mp/codec/type_tag.hpp"

namespace mp {

template <class T, std::size_t N>
struct codec<std::array<T, N>> {
  using Array = std::array<T, N>;
  static constexpr std::string_view kName = "array";
  static constexpr std::uint64_t kSalt = N;
  using Parts = CodecParts<T>;
  static constexpr std::size_t kMinSize = N * detail::kMinSizeOf<T>;
  static constexpr bool kFixed = N == 0 || detail::kFixedSize<T>;
  static constexpr bool kDense = N != 0 && detail::kDenseType<T>;

  template <class Out>
  static void write(Out& out, const Array& value) {
    if constexpr (kDense) {
      out.write_bytes(value.data(), sizeof(Array));
    } else {
      for (const T& element : value) {
        mp::write(out, element);
      }
    }
  }

  static Array read(Reader& in) {
    if constexpr (kDense) {
      return in.read_raw<Array>();
    } else if constexpr (std::is_default_constructible_v<T>) {
      Array value{};
      for (T& element : value) {
        element = mp::read<T>(in);
      }
      return value;
    } else {
      return read_in_place(in, std::make_index_sequence<N>{});
    }
  }

  static std::string type_name() {
    return "array<" + detail::name_of<T>() + ", " + std::to_string(N) + ">";
  }

 private:
  template <std::size_t... I>
  static Array read_in_place(Reader& in, std::index_sequence<I...>) {
    return Array{(static_cast<void>(I), mp::read<T>(in))...};
  }
};

}  // namespace mp
