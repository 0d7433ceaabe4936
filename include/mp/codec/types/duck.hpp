// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/duck.hpp — std::filesystem::path, std::complex and std::bitset.
//
// These are known by their members and not by their names, for <filesystem>, <complex> and <bitset>
// together cost more to compile than all the rest of this module, in programs that use none of
// them.
#pragma once

#include <concepts>
#include <string>

#include "mp/codec/traits.hpp"
#include "mp/codec/types/string.hpp"

namespace mp {

namespace detail {

template <class T>
concept PathLike = requires(const T& path) {
  typename T::string_type;
  T::preferred_separator;
  { path.native() } -> std::same_as<const typename T::string_type&>;
  path.lexically_normal();
};

template <class T>
concept ComplexLike = std::is_trivially_copyable_v<T> && requires(const T& z) {
  requires std::is_floating_point_v<typename T::value_type>;
  requires sizeof(T) == 2 * sizeof(typename T::value_type);
  { z.real() } -> std::same_as<typename T::value_type>;
  { z.imag() } -> std::same_as<typename T::value_type>;
};

template <class T>
concept BitsetLike = requires(T& bits) {
  typename T::reference;
  bits.to_ullong();
  bits.flip();
  bits.set(std::size_t{0});
  { bits.test(std::size_t{0}) } -> std::same_as<bool>;
};

}  // namespace detail

template <detail::PathLike T>
struct codec<T> {
  using String = typename T::string_type;
  static constexpr std::string_view kName = "filesystem::path";
  static constexpr std::size_t kMinSize = detail::kMinSizeOf<String>;
  static constexpr bool kLeaf = true;

  static void write(auto& out, const T& value) { mp::write(out, value.native()); }
  static T read(Reader& in) {
    String text = mp::read<String>(in);
    // A path keeps its parts as paths, and their number is up to the sender.
    for (const auto c : text) {
      if (c == T::preferred_separator) {
        in.charge(kPart);
      }
    }
    in.charge(kPart);
    return T{static_cast<String&&>(text)};
  }

 private:
  static constexpr std::size_t kPart = 4 * sizeof(T);
};

template <detail::ComplexLike T>
struct codec<T> {
  using Part = typename T::value_type;
  static constexpr std::string_view kName = "complex";
  using Parts = CodecParts<Part>;
  static constexpr std::size_t kMinSize = 2 * detail::kMinSizeOf<Part>;
  static constexpr bool kFixed = true;
  static constexpr bool kDense = detail::kDenseType<Part>;

  static void write(auto& out, const T& value) {
    mp::write(out, value.real());
    mp::write(out, value.imag());
  }
  static T read(Reader& in) {
    const auto real = mp::read<Part>(in);
    return T{real, mp::read<Part>(in)};
  }
};

template <detail::BitsetLike T>
struct codec<T> {
  static constexpr std::size_t kBits = T{}.size();
  static constexpr std::string_view kName = "bitset";
  static constexpr std::uint64_t kSalt = kBits;
  static constexpr std::size_t kMinSize = (kBits + 7) / 8;
  static constexpr bool kFixed = true;

  static void write(auto& out, const T& value) {
    for (std::size_t i = 0; i < kBits; i += 8) {
      std::uint8_t byte = 0;
      for (std::size_t bit = 0; bit != 8 && i + bit != kBits; ++bit) {
        byte = static_cast<std::uint8_t>(byte | (unsigned{value.test(i + bit)} << bit));
      }
      out.write_raw(byte);
    }
  }
  static T read(Reader& in) {
    T value;
    for (std::size_t i = 0; i < kBits; i += 8) {
      const auto byte = in.read_raw<std::uint8_t>();
      for (std::size_t bit = 0; bit != 8 && i + bit != kBits; ++bit) {
        value.set(i + bit, (byte >> bit & 1u) != 0);
      }
    }
    return value;
  }
  static std::string type_name() { return "bitset<" + std::to_string(kBits) + ">"; }
};

}  // namespace mp
