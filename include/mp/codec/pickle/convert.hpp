// SPDX-License-Identifier: Apache-2.0
// mp/codec/pickle/convert.hpp — between C++ types and Python values.
//
// | C++                                       | written as    | read from                         |
// |-------------------------------------------|---------------|-----------------------------------|
// | bool                                      | bool          | bool                              |
// | integers, enums                           | int           | int, bool; must fit               |
// | char                                      | str, int      | str of one byte, int              |
// | float, double                             | float         | float, int                        |
// | std::string, path                         | str           | str, bytes                        |
// |   ... that is no UTF-8                    | bytes         |                                   |
// | vector<std::byte>, Bytes                  | bytes         | bytes, bytearray                  |
// | vector<uint8_t>                           | bytes         | bytes, bytearray, list, tuple     |
// | vector, array, deque, list, multiset      | list          | list, tuple                       |
// | tuple, pair                               | tuple         | tuple, list of that length        |
// | plain aggregates                          | tuple         | tuple, list of that length        |
// |   ... with field_names                    | dict          | dict, tuple, list                 |
// | map, unordered_map                        | dict          | dict, objects that are dicts      |
// | set, unordered_set                        | set           | set, frozenset                    |
// | optional, unique_ptr, shared_ptr          | None or it    | None or it                        |
// | variant                                   | the one it is | the first that fits               |
// | chrono::duration                          | timedelta     | timedelta, int or float (seconds) |
// | system_clock::time_point                  | datetime, UTC | datetime, aware, or meant as UTC  |
// | complex                                   | complex       | complex, float, int               |
// | Value                                     | itself        | anything                          |
//
// A type of your own, and a struct that is to be a dict:
//
//     template <>
//     struct mp::pickle::Convert<Money> {
//       static Value from(const Money& m) { return Value{m.cents()}; }
//       static Money to(const Value& v) { return Money{mp::pickle::to<std::int64_t>(v)}; }
//     };
//     template <>
//     inline constexpr std::array mp::pickle::field_names<Job>{"id", "command"};
//
// Optional: `static bool fits(const Value&)`, for alternatives of a variant: whether the value
// could be one, at a glance.
//
// Throws:    to: TypeMismatch naming both types; DecodeError when the type is right and the value
//            is not (a number out of range, another count of elements).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <type_traits>

#include "mp/base/export.hpp"
#include "mp/codec/codable.hpp"
#include "mp/codec/normalized.hpp"
#include "mp/codec/pickle/value.hpp"

namespace mp::pickle {

template <class T>
struct Convert {};

// The names of the fields of an aggregate, by which it is a dict in Python.
template <class T>
inline constexpr std::nullptr_t field_names = nullptr;

namespace detail {

template <class T>
concept HasConvert = requires(const T& value, const Value& other) {
  { Convert<T>::from(value) } -> std::convertible_to<Value>;
  { Convert<T>::to(other) } -> std::same_as<T>;
};

template <class T, class... Outer>
consteval bool picklable();

template <class... Outer, class... P>
consteval bool parts_picklable(CodecParts<P...>) {
  return (picklable<P, Outer...>() && ... && true);
}

template <class T, class... Outer>
consteval bool picklable() {
  if constexpr ((std::is_same_v<T, Outer> || ... || false)) {
    return true;
  } else if constexpr (std::is_array_v<T>) {
    return picklable<std::remove_cv_t<std::remove_all_extents_t<T>>, Outer...>();
  } else if constexpr (std::is_enum_v<T>) {
    return mp::detail::kRefusal<T> == mp::detail::Refusal::none;
  } else if constexpr (requires { codec<T>::kAggregate; }) {
    return mp::Codable<T> && parts_picklable<T, Outer...>(typename mp::detail::PartsOf<T>::type{});
  } else if constexpr (requires { Convert<T>::kWhole; }) {
    return true;
  } else if constexpr (!HasConvert<T>) {
    return false;
  } else {
    return parts_picklable<T, Outer...>(typename mp::detail::PartsOf<T>::type{});
  }
}

// Throws DecodeError.
[[noreturn]] MP_API void throw_bad_value(std::string_view expected, const Value& received);
[[noreturn]] MP_API void throw_bad_count(std::size_t expected, std::size_t received);

MP_API std::int64_t to_int(const Value& value, std::int64_t least, std::int64_t most);
MP_API std::uint64_t to_unsigned(const Value& value, std::uint64_t most);
MP_API std::string to_text(const Value& value);
// The elements of a list or tuple, which must be `count`.
MP_API const Items& to_sequence(const Value& value);
MP_API const Items& to_sequence(const Value& value, std::size_t count);
MP_API const Items& to_set(const Value& value);
// The items of a dict, or of an object of a class that is one: OrderedDict, defaultdict, Counter.
MP_API const Pairs& to_dict(const Value& value);
MP_API ByteView to_bytes(const Value& value);
[[nodiscard]] MP_API bool is_sequence(const Value& value, std::size_t* count = nullptr) noexcept;

}  // namespace detail

// Whether from<T> and to<T> are there.
template <class T>
concept Picklable = detail::picklable<T>();

// Returns the Python value that `value` is.
template <class T>
[[nodiscard]] Value from(const T& value) {
  using N = mp::detail::Normalized<T>;
  static_assert(Picklable<N>,
                "mp does not know which Python value this type is, or a type inside it. Specialise "
                "mp::pickle::Convert<T> with from and to.");
  if constexpr (!Picklable<N>) {
    return {};
  } else if constexpr (std::is_same_v<N, T>) {
    return Convert<N>::from(value);
  } else {
    return Convert<N>::from(N(value));
  }
}

// Returns the T that the Python value stands for.
template <class T>
[[nodiscard]] T to(const Value& value) {
  static_assert(Picklable<T>,
                "mp does not know from which Python value this type is made, or a type inside it. "
                "Specialise mp::pickle::Convert<T> with from and to.");
  if constexpr (Picklable<T>) {
    return Convert<T>::to(value);
  }
}

namespace detail {

// Whether a variant may choose this alternative. Looks at the value, not into it.
template <class T>
[[nodiscard]] bool fits(const Value& value) {
  if constexpr (requires { Convert<T>::fits(value); }) {
    return Convert<T>::fits(value);
  } else {
    return true;
  }
}

}  // namespace detail

}  // namespace mp::pickle

#include "mp/codec/pickle/types.hpp"
