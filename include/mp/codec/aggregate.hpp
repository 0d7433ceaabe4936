// SPDX-License-Identifier: Apache-2.0
// mp/codec/aggregate.hpp — plain structs travel with nothing to write, by Boost.PFR.
//
// A struct is encoded field by field, in order, so padding never leaves the process. Where a struct
// has no padding, no bool and only such fields, one memcpy does the same and is used.
//
// C arrays are fields like others. Not taken: base classes, reference or const members, unions,
// bit-fields (Boost.PFR does not see them), and more than 32 members when one is an array.
#pragma once

#include <boost/pfr/core.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "mp/codec/traits.hpp"

namespace mp {

namespace detail {

template <class T>
concept PlainAggregate = std::is_class_v<T> && std::is_aggregate_v<T> && !enable_raw_codec<T>;

// Converts to a base class of T and to nothing else.
template <class T>
struct BaseProbe {
  template <class U>
  requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>) operator U() const;
};

template <class T>
concept HasBase = requires {
  T{BaseProbe<T>{}};
};

struct AnyField {
  template <class U>
  operator U() const;
};

// Whether T{{}, {}, ...} is well formed with `K` braces, and has no member after them. Each pair of
// braces is one member, an array too, where a list of plain initialisers runs on into the elements.
template <class T, std::size_t K>
struct Braces {
  static constexpr bool fits = false;
};
#define MP_DETAIL_BRACES(k, ...)                                            \
  template <class T>                                                        \
  struct Braces<T, k> {                                                     \
    static constexpr bool fits = requires { T{__VA_ARGS__}; };              \
    static constexpr bool ends = !requires { T{__VA_ARGS__, AnyField{}}; }; \
  }
#define MP_DETAIL_4 \
  {}, {}, {}, {}
#define MP_DETAIL_8 MP_DETAIL_4, MP_DETAIL_4
#define MP_DETAIL_16 MP_DETAIL_8, MP_DETAIL_8
#define MP_DETAIL_24 MP_DETAIL_16, MP_DETAIL_8
MP_DETAIL_BRACES(1, {});
MP_DETAIL_BRACES(2, {}, {});
MP_DETAIL_BRACES(3, {}, {}, {});
MP_DETAIL_BRACES(4, MP_DETAIL_4);
MP_DETAIL_BRACES(5, MP_DETAIL_4, {});
MP_DETAIL_BRACES(6, MP_DETAIL_4, {}, {});
MP_DETAIL_BRACES(7, MP_DETAIL_4, {}, {}, {});
MP_DETAIL_BRACES(8, MP_DETAIL_8);
MP_DETAIL_BRACES(9, MP_DETAIL_8, {});
MP_DETAIL_BRACES(10, MP_DETAIL_8, {}, {});
MP_DETAIL_BRACES(11, MP_DETAIL_8, {}, {}, {});
MP_DETAIL_BRACES(12, MP_DETAIL_8, MP_DETAIL_4);
MP_DETAIL_BRACES(13, MP_DETAIL_8, MP_DETAIL_4, {});
MP_DETAIL_BRACES(14, MP_DETAIL_8, MP_DETAIL_4, {}, {});
MP_DETAIL_BRACES(15, MP_DETAIL_8, MP_DETAIL_4, {}, {}, {});
MP_DETAIL_BRACES(16, MP_DETAIL_16);
MP_DETAIL_BRACES(17, MP_DETAIL_16, {});
MP_DETAIL_BRACES(18, MP_DETAIL_16, {}, {});
MP_DETAIL_BRACES(19, MP_DETAIL_16, {}, {}, {});
MP_DETAIL_BRACES(20, MP_DETAIL_16, MP_DETAIL_4);
MP_DETAIL_BRACES(21, MP_DETAIL_16, MP_DETAIL_4, {});
MP_DETAIL_BRACES(22, MP_DETAIL_16, MP_DETAIL_4, {}, {});
MP_DETAIL_BRACES(23, MP_DETAIL_16, MP_DETAIL_4, {}, {}, {});
MP_DETAIL_BRACES(24, MP_DETAIL_24);
MP_DETAIL_BRACES(25, MP_DETAIL_24, {});
MP_DETAIL_BRACES(26, MP_DETAIL_24, {}, {});
MP_DETAIL_BRACES(27, MP_DETAIL_24, {}, {}, {});
MP_DETAIL_BRACES(28, MP_DETAIL_24, MP_DETAIL_4);
MP_DETAIL_BRACES(29, MP_DETAIL_24, MP_DETAIL_4, {});
MP_DETAIL_BRACES(30, MP_DETAIL_24, MP_DETAIL_4, {}, {});
MP_DETAIL_BRACES(31, MP_DETAIL_24, MP_DETAIL_4, {}, {}, {});
MP_DETAIL_BRACES(32, MP_DETAIL_24, MP_DETAIL_8);
#undef MP_DETAIL_24
#undef MP_DETAIL_16
#undef MP_DETAIL_8
#undef MP_DETAIL_4
#undef MP_DETAIL_BRACES

// Counts up while one more pair of braces fits. Returns 0 when braces cannot count this type: a
// member without a default, or too many of them.
template <class T, std::size_t K = 1>
consteval std::size_t count_by_braces() {
  if constexpr (Braces<T, K + 1>::fits) {
    return count_by_braces<T, K + 1>();
  } else if constexpr (Braces<T, K>::fits) {
    return Braces<T, K>::ends ? K : 0;
  } else {
    return 0;
  }
}

template <class T>
consteval std::size_t field_count() {
  if constexpr (std::is_empty_v<T>) {
    return 0;
  } else if constexpr (count_by_braces<T>() != 0) {
    return count_by_braces<T>();
  } else {
    return boost::pfr::tuple_size_v<T>;
  }
}

// References to the fields of `value`, as PFR's own tuple.
template <class T>
constexpr auto fields_of(T& value) noexcept {
  using Count = boost::pfr::detail::size_t_<field_count<std::remove_const_t<T>>()>;
  return boost::pfr::detail::tie_as_tuple(value, Count{});
}

template <class T, std::size_t I>
using Field = std::remove_reference_t<decltype(boost::pfr::detail::sequence_tuple::get<I>(
    fields_of(std::declval<T&>())))>;

template <class T, class Index = std::make_index_sequence<field_count<T>()>>
struct FieldsOf;
template <class T, std::size_t... I>
struct FieldsOf<T, std::index_sequence<I...>> {
  using Parts = CodecParts<std::remove_cv_t<Field<T, I>>...>;
  static constexpr bool kAssignable =
      (std::is_move_assignable_v<std::remove_all_extents_t<Field<T, I>>> && ... && true);
  static constexpr bool kHasArray = (std::is_array_v<Field<T, I>> || ... || false);
  static constexpr bool kHasConst =
      (std::is_const_v<std::remove_all_extents_t<Field<T, I>>> || ... || false);
};

template <class T, class Out>
void write_field(Out& out, const T& field) {
  if constexpr (kDenseType<T>) {
    out.write_bytes(&field, sizeof(T));
  } else if constexpr (std::is_array_v<T>) {
    for (const auto& element : field) {
      write_field(out, element);
    }
  } else {
    mp::write(out, field);
  }
}

template <class T>
void read_field(Reader& in, T& field) {
  if constexpr (kDenseType<T>) {
    in.read_bytes(&field, sizeof(T));
  } else if constexpr (std::is_array_v<T>) {
    for (auto& element : field) {
      read_field(in, element);
    }
  } else {
    field = mp::read<T>(in);
  }
}

template <class T>
struct Aggregate;
template <class... F>
struct Aggregate<CodecParts<F...>> {
  static constexpr std::size_t kMinSize = (kMinSizeOf<F> + ... + 0);
  static constexpr bool kFixed = (kFixedSize<F> && ... && true);
  static constexpr bool kDense = (kDenseType<F> && ... && true);
  template <class T>
  static T read(Reader& in) {
    return T{mp::read<F>(in)...};  // braces: the fields are read in order, and built in place
  }
};

}  // namespace detail

template <detail::PlainAggregate T>
struct codec<T> {
  static constexpr std::string_view kName = "struct";
  static constexpr bool kAggregate = true;
  static constexpr std::size_t kMinSize =
      detail::Aggregate<typename detail::FieldsOf<T>::Parts>::kMinSize;
  static constexpr bool kFixed = detail::Aggregate<typename detail::FieldsOf<T>::Parts>::kFixed;
  static constexpr bool kDense = detail::Aggregate<typename detail::FieldsOf<T>::Parts>::kDense &&
                                 kMinSize == sizeof(T) && std::is_trivially_copyable_v<T>;

  template <class Out>
  static void write(Out& out, const T& value) {
    if constexpr (kDense) {
      out.write_raw(value);
    } else {
      write_fields(out, value, std::make_index_sequence<detail::field_count<T>()>{});
    }
  }

  static T read(Reader& in) {
    if constexpr (kDense) {
      return in.read_raw<T>();
    } else if constexpr (detail::FieldsOf<T>::kHasArray) {
      T value{};
      read_fields(in, value, std::make_index_sequence<detail::field_count<T>()>{});
      return value;
    } else {
      return detail::Aggregate<typename detail::FieldsOf<T>::Parts>::template read<T>(in);
    }
  }

 private:
  template <class Out, std::size_t... I>
  static void write_fields(Out& out, const T& value, std::index_sequence<I...>) {
    [[maybe_unused]] const auto fields = detail::fields_of(value);
    (detail::write_field(out, boost::pfr::detail::sequence_tuple::get<I>(fields)), ...);
  }
  template <std::size_t... I>
  static void read_fields(Reader& in, T& value, std::index_sequence<I...>) {
    const auto fields = detail::fields_of(value);
    (detail::read_field(in, boost::pfr::detail::sequence_tuple::get<I>(fields)), ...);
  }
};

}  // namespace mp
