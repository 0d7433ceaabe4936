// SPDX-License-Identifier: Apache-2.0
// mp/codec/traits.hpp — codec<T>, the one place that says how a T becomes bytes.
//
// Everything that can be sent has a codec<T>: the standard types in mp/codec/types/, scalars and
// plain aggregates below, and whatever you specialise it for:
//
//     template <>
//     struct mp::codec<Money> {
//       static constexpr std::string_view kName = "shop.Money";  // names the type on the wire
//       static void write(auto& out, const Money& m) { mp::write(out, m.cents()); }
//       static Money read(mp::Reader& in) { return Money{mp::read<std::int64_t>(in)}; }
//     };
//
// Required:  kName, write(out, value), read(in). `out` is a Writer, or a Sizer for the exact size;
//            a write that takes only Writer& works too.
// Optional:  kMinSize, the fewest bytes a value takes (0): allows tighter checks of counts;
//            kFixed, every value takes kMinSize bytes;
//            kDense, those bytes are the object representation, and every bit pattern is a value;
//            Parts = CodecParts<A, B>, the types inside, which belong to the type tag and are
//            checked as T is; kSalt, a number that also belongs to the tag;
//            std::string type_name(), for error messages.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "mp/codec/reader.hpp"
#include "mp/codec/writer.hpp"

namespace mp {

template <class T>
struct codec {};

// The types that a type is made of.
template <class... T>
struct CodecParts {};

// Says that T, though no aggregate, is plain data without padding, pointers or invariants:
//     template <> inline constexpr bool mp::enable_raw_codec<Vec3> = true;
// For an enum without an underlying type: that what the peers send may be trusted to be a value.
template <class T>
inline constexpr bool enable_raw_codec = false;

namespace detail {

template <class T>
concept HasCodec = requires(Reader& in) {
  { codec<T>::read(in) } -> std::same_as<T>;
};

template <class T>
consteval std::size_t min_size() {
  if constexpr (std::is_array_v<T>) {
    return std::extent_v<T> * min_size<std::remove_cv_t<std::remove_extent_t<T>>>();
  } else if constexpr (requires { codec<T>::kMinSize; }) {
    return codec<T>::kMinSize;
  } else {
    return 0;
  }
}

template <class T>
consteval bool is_fixed() {
  if constexpr (std::is_array_v<T>) {
    return is_fixed<std::remove_cv_t<std::remove_extent_t<T>>>();
  } else if constexpr (requires { codec<T>::kFixed; }) {
    return codec<T>::kFixed;
  } else {
    return false;
  }
}

template <class T>
consteval bool is_dense() {
  if constexpr (std::is_array_v<T>) {
    return is_dense<std::remove_cv_t<std::remove_extent_t<T>>>();
  } else if constexpr (requires { codec<T>::kDense; }) {
    return codec<T>::kDense;
  } else {
    return false;
  }
}

// The fewest bytes a T takes, whether all T take as many, and whether they may be copied blindly.
template <class T>
inline constexpr std::size_t kMinSizeOf = min_size<T>();
template <class T>
inline constexpr bool kFixedSize = is_fixed<T>();
template <class T>
inline constexpr bool kDenseType = is_dense<T>();

// Types that cannot nest: a container of these needs no count of levels.
template <class T>
inline constexpr bool kLeaf = kFixedSize<T> || requires {
  codec<T>::kLeaf;
};

}  // namespace detail

// Writes `value` to `out`, which is a Writer or a Sizer. No tag: the reader must know the type.
template <class Out, class T>
void write(Out& out, const T& value) {
  if constexpr (Out::kCounts && detail::kFixedSize<T>) {
    out.add(detail::kMinSizeOf<T>);
  } else if constexpr (requires { codec<T>::write(out, value); }) {
    codec<T>::write(out, value);
  } else {
    Writer counter{Writer::CountOnly::yes};
    counter.set_depth(out.depth());
    codec<T>::write(counter, value);
    out.add(counter.size());
  }
}

// Reads what write wrote for a T.
template <class T>
[[nodiscard]] T read(Reader& in) {
  return codec<T>::read(in);
}

namespace detail {

template <class T>
concept Scalar = std::is_arithmetic_v<T> || std::is_enum_v<T>;

// The name of an arithmetic type by what it is, not by how it is spelled: `long` and `long long`
// are the same where both have 64 bits.
template <class T>
consteval std::string_view scalar_name() {
  if constexpr (std::is_enum_v<T>) {
    return "enum";
  } else if constexpr (std::is_same_v<T, bool>) {
    return "bool";
  } else if constexpr (std::is_same_v<T, char>) {
    return "char";
  } else if constexpr (std::is_same_v<T, wchar_t>) {
    return "wchar_t";
  } else if constexpr (std::is_same_v<T, char8_t>) {
    return "char8_t";
  } else if constexpr (std::is_same_v<T, char16_t>) {
    return "char16_t";
  } else if constexpr (std::is_same_v<T, char32_t>) {
    return "char32_t";
  } else if constexpr (std::is_floating_point_v<T>) {
    return std::is_same_v<T, long double> ? "long double" : sizeof(T) == 4 ? "float" : "double";
  } else if constexpr (std::is_signed_v<T>) {
    return sizeof(T) == 1   ? "int8_t"
           : sizeof(T) == 2 ? "int16_t"
           : sizeof(T) == 4 ? "int"
                            : "int64_t";
  } else {
    return sizeof(T) == 1   ? "uint8_t"
           : sizeof(T) == 2 ? "uint16_t"
           : sizeof(T) == 4 ? "unsigned int"
                            : "uint64_t";
  }
}

template <class T>
struct EnumParts {
  using Parts = CodecParts<>;
};
template <class T>
requires std::is_enum_v<T>
struct EnumParts<T> {
  using Parts = CodecParts<std::underlying_type_t<T>>;
};

template <class T>
consteval bool is_bool_like() {
  if constexpr (std::is_enum_v<T>) {
    return std::is_same_v<std::underlying_type_t<T>, bool>;
  } else {
    return std::is_same_v<T, bool>;
  }
}

}  // namespace detail

// Scalars: their bytes. A decoded bool must be 0 or 1; an enum may have any value of its
// underlying type, which it must name. A long double has no padding on the wire.
template <detail::Scalar T>
struct codec<T> {
  static constexpr std::string_view kName = detail::scalar_name<T>();
  using Parts = typename detail::EnumParts<T>::Parts;
  static constexpr std::size_t kMinSize =
      std::is_same_v<T, long double> && __LDBL_MANT_DIG__ == 64 ? 10 : sizeof(T);
  static constexpr bool kFixed = true;
  static constexpr bool kDense = kMinSize == sizeof(T) && !detail::is_bool_like<T>();

  static void write(auto& out, const T& value) { out.write_bytes(&value, kMinSize); }

  static T read(Reader& in) {
    if constexpr (detail::is_bool_like<T>()) {
      return static_cast<T>(in.read_choice(2) != 0);
    } else if constexpr (kDense) {
      return in.read_raw<T>();
    } else {
      T value{};
      in.read_bytes(&value, kMinSize);
      return value;
    }
  }
};

namespace detail {

template <class T>
concept RawClass = std::is_class_v<T> && std::is_trivially_copyable_v<T> && enable_raw_codec<T>;

template <class T>
concept EmptyClass =
    std::is_class_v<T> && std::is_empty_v<T> && !std::is_aggregate_v<T> &&
    std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T> && !enable_raw_codec<T>;

}  // namespace detail

template <detail::RawClass T>
struct codec<T> {
  static constexpr std::string_view kName = "raw";
  static constexpr std::uint64_t kSalt = sizeof(T);
  static constexpr std::size_t kMinSize = sizeof(T);
  static constexpr bool kFixed = true;
  static constexpr bool kDense = true;
  static void write(auto& out, const T& value) { out.write_raw(value); }
  static T read(Reader& in) { return in.read_raw<T>(); }
};

// Classes without state, such as std::monostate and std::less<>: no bytes at all.
template <detail::EmptyClass T>
struct codec<T> {
  static constexpr std::string_view kName = "empty";
  static constexpr std::size_t kMinSize = 0;
  static constexpr bool kFixed = true;
  static void write(auto&, const T&) noexcept {}
  static T read(Reader&) { return T{}; }
};

}  // namespace mp
