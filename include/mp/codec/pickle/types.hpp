// SPDX-License-Identifier: Apache-2.0
// mp/codec/pickle/types.hpp — Convert for the types that mp knows; see convert.hpp for the table.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <limits>
#include <tuple>
#include <utility>
#include <variant>

#include "mp/codec/aggregate.hpp"
#include "mp/codec/pickle/convert.hpp"
#include "mp/codec/types/array.hpp"
#include "mp/codec/types/chrono.hpp"
#include "mp/codec/types/duck.hpp"
#include "mp/codec/types/optional.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/codec/types/tuple.hpp"
#include "mp/codec/types/variant.hpp"
#include "mp/codec/types/vector.hpp"

namespace mp::pickle {

template <>
struct Convert<Value> {
  static constexpr bool kWhole = true;
  static Value from(const Value& value) { return value; }
  static Value to(const Value& value) { return value; }
};

template <>
struct Convert<bool> {
  static Value from(bool value) { return value; }
  static bool to(const Value& value) { return value.as_bool(); }
  static bool fits(const Value& value) { return value.kind() == Kind::boolean; }
};

template <class T>
requires(std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>) struct Convert<T> {
  using Limits = std::numeric_limits<T>;
  static Value from(T value) { return value; }
  static T to(const Value& value) {
    if constexpr (std::is_signed_v<T>) {
      return static_cast<T>(detail::to_int(value, Limits::min(), Limits::max()));
    } else {
      return static_cast<T>(detail::to_unsigned(value, Limits::max()));
    }
  }
  static bool fits(const Value& value) {
    return (value.kind() == Kind::integer && std::in_range<T>(value.as_int())) ||
           (value.kind() == Kind::big_integer && std::is_same_v<T, std::uint64_t>);
  }
};

template <>
struct Convert<char> {
  static Value from(char value) {
    const auto byte = static_cast<unsigned char>(value);
    return byte < 0x80 ? Value{std::string(1, value)} : Value{byte};
  }
  static char to(const Value& value) {
    if (value.kind() == Kind::string && value.as_string().size() == 1) {
      return value.as_string().front();
    }
    constexpr int kLeast = std::numeric_limits<signed char>::min();
    constexpr int kMost = std::numeric_limits<unsigned char>::max();
    return static_cast<char>(detail::to_int(value, kLeast, kMost));
  }
  static bool fits(const Value& value) {
    return value.kind() == Kind::string && value.as_string().size() == 1;
  }
};

template <std::floating_point T>
struct Convert<T> {
  static Value from(T value) { return static_cast<double>(value); }
  static T to(const Value& value) { return static_cast<T>(value.as_real()); }
  static bool fits(const Value& value) { return value.kind() == Kind::real; }
};

template <class T>
requires std::is_enum_v<T>
struct Convert<T> {
  using Number = std::underlying_type_t<T>;
  static Value from(T value) { return Convert<Number>::from(static_cast<Number>(value)); }
  static T to(const Value& value) { return static_cast<T>(Convert<Number>::to(value)); }
  static bool fits(const Value& value) { return Convert<Number>::fits(value); }
};

template <>
struct Convert<std::string> {
  static Value from(const std::string& value) { return Value{value}; }
  static std::string to(const Value& value) { return detail::to_text(value); }
  static bool fits(const Value& value) {
    return value.kind() == Kind::string || value.kind() == Kind::bytes;
  }
};

namespace detail {

template <class T>
concept Container = requires(T value) {
  typename T::value_type;
  value.begin();
  value.end();
  value.clear();
};
template <class T>
concept MapLike = Container<T> && requires {
  typename T::mapped_type;
};
template <class T>
concept Unique = requires(T value, typename T::value_type element) {
  { value.insert(element).second } -> std::convertible_to<bool>;
};
template <class T>
concept SetLike = Container<T> && !MapLike<T> && Unique<T> && requires {
  typename T::key_type;
};
// Those that become a list: a multimap one of pairs.
template <class T>
concept ListLike = Container<T> && !SetLike<T> && !(MapLike<T> && Unique<T>)&&requires {
  typename mp::codec<T>::Parts;
};
template <class T>
concept ByteLike = std::same_as<T, std::byte> || std::same_as<T, unsigned char>;

template <class T, class E>
void add_element(T& container, E&& element) {
  if constexpr (requires { container.push_back(std::forward<E>(element)); }) {
    container.push_back(std::forward<E>(element));
  } else if constexpr (requires { container.push_front(std::forward<E>(element)); }) {
    container.push_front(std::forward<E>(element));
  } else {
    container.insert(std::forward<E>(element));
  }
}

// The type of an element whose const was taken off: of a map's pair, the key's too.
template <class T>
struct Element {
  using type = T;
};
template <class A, class B>
struct Element<std::pair<const A, B>> {
  using type = std::pair<A, B>;
};

template <class Container>
Value list_of(const Container& container) {
  using E = typename Element<typename Container::value_type>::type;
  Items items;
  items.reserve(static_cast<std::size_t>(std::distance(container.begin(), container.end())));
  for (const auto& element : container) {
    items.push_back(Convert<E>::from(element));
  }
  return Value::list(std::move(items));
}

}  // namespace detail

template <>
struct Convert<std::byte> {
  static Value from(std::byte value) { return static_cast<unsigned char>(value); }
  static std::byte to(const Value& value) {
    return static_cast<std::byte>(Convert<unsigned char>::to(value));
  }
};

template <detail::ListLike T>
struct Convert<T> {
  using E = typename detail::Element<typename T::value_type>::type;
  static constexpr bool kBytes = detail::ByteLike<E> && requires(T value) { value.data(); };

  static Value from(const T& value) {
    if constexpr (kBytes) {
      return Value::bytes(std::as_bytes(std::span{value}));
    } else {
      return detail::list_of(value);
    }
  }
  static T to(const Value& value) {
    T container;
    if constexpr (kBytes) {
      if (!detail::is_sequence(value)) {
        const ByteView bytes = detail::to_bytes(value);
        const auto* data = reinterpret_cast<const E*>(bytes.data());
        container.assign(data, data + bytes.size());
        return container;
      }
    }
    const Items& items = detail::to_sequence(value);
    if constexpr (
        requires { container.push_front(Convert<E>::to(value)); } &&
        !requires { container.push_back(Convert<E>::to(value)); }) {
      for (std::size_t i = items.size(); i-- > 0;) {
        container.push_front(Convert<E>::to(items[i]));
      }
    } else {
      for (const Value& item : items) {
        detail::add_element(container, Convert<E>::to(item));
      }
    }
    return container;
  }
  static bool fits(const Value& value) {
    if constexpr (kBytes) {
      return value.kind() == Kind::bytes || value.kind() == Kind::byte_array;
    } else {
      return value.kind() == Kind::list &&
             (value.items().empty() || detail::fits<E>(value.items().front()));
    }
  }
};

template <class E, std::size_t N>
struct Convert<std::array<E, N>> {
  static Value from(const std::array<E, N>& value) { return detail::list_of(value); }
  static std::array<E, N> to(const Value& value) {
    const Items& items = detail::to_sequence(value, N);
    return [&items]<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<E, N>{Convert<E>::to(items[I])...};
    }
    (std::make_index_sequence<N>{});
  }
  static bool fits(const Value& value) {
    return value.kind() == Kind::list && value.items().size() == N;
  }
};

template <detail::SetLike T>
struct Convert<T> {
  using E = typename T::value_type;
  static Value from(const T& value) {
    Items items;
    items.reserve(value.size());
    for (const auto& element : value) {
      items.push_back(Convert<E>::from(element));
    }
    return Value::set(std::move(items));
  }
  static T to(const Value& value) {
    T container;
    for (const Value& item : detail::to_set(value)) {
      container.insert(Convert<E>::to(item));
    }
    return container;
  }
  static bool fits(const Value& value) {
    return value.kind() == Kind::set || value.kind() == Kind::frozen_set;
  }
};

template <class T>
requires(detail::MapLike<T>&& detail::Unique<T>) struct Convert<T> {
  using K = typename T::key_type;
  using V = typename T::mapped_type;
  static Value from(const T& value) {
    Pairs pairs;
    pairs.reserve(value.size());
    for (const auto& [key, item] : value) {
      pairs.emplace_back(Convert<K>::from(key), Convert<V>::from(item));
    }
    return Value::dict(std::move(pairs));
  }
  static T to(const Value& value) {
    T container;
    for (const auto& [key, item] : detail::to_dict(value)) {
      container.insert_or_assign(Convert<K>::to(key), Convert<V>::to(item));
    }
    return container;
  }
  static bool fits(const Value& value) { return value.kind() == Kind::dict; }
};

template <class... T>
struct Convert<std::tuple<T...>> {
  using Tuple = std::tuple<T...>;
  static Value from(const Tuple& value) {
    return std::apply(
        [](const T&... element) { return Value::tuple(Items{Convert<T>::from(element)...}); },
        value);
  }
  static Tuple to(const Value& value) {
    [[maybe_unused]] const Items& items = detail::to_sequence(value, sizeof...(T));
    return [&items]<std::size_t... I>(std::index_sequence<I...>) {
      return Tuple{Convert<T>::to(items[I])...};
    }
    (std::index_sequence_for<T...>{});
  }
  static bool fits(const Value& value) {
    return value.kind() == Kind::tuple && value.items().size() == sizeof...(T);
  }
};

template <class A, class B>
struct Convert<std::pair<A, B>> {
  static Value from(const std::pair<A, B>& value) {
    return Value::tuple(Items{Convert<A>::from(value.first), Convert<B>::from(value.second)});
  }
  static std::pair<A, B> to(const Value& value) {
    const Items& items = detail::to_sequence(value, 2);
    return {Convert<A>::to(items[0]), Convert<B>::to(items[1])};
  }
  static bool fits(const Value& value) {
    return value.kind() == Kind::tuple && value.items().size() == 2;
  }
};

// Fields of an aggregate may be C arrays.
namespace detail {

template <class F>
Value from_field(const F& field) {
  if constexpr (std::is_array_v<F>) {
    Items items;
    for (const auto& element : field) {
      items.push_back(from_field(element));
    }
    return Value::list(std::move(items));
  } else {
    return Convert<F>::from(field);
  }
}

template <class F>
void to_field(const Value& value, F& field) {
  if constexpr (std::is_array_v<F>) {
    const Items& items = to_sequence(value, std::extent_v<F>);
    for (std::size_t i = 0; i != items.size(); ++i) {
      to_field(items[i], field[i]);
    }
  } else {
    field = Convert<F>::to(value);
  }
}

// The values of the fields, by position, or by name from a dict.
MP_API Items fields_in(const Value& value, std::span<const char* const> names, std::size_t count);

}  // namespace detail

template <class T>
requires requires {
  codec<T>::kAggregate;
}
struct Convert<T> {
  static constexpr std::size_t kCount = mp::detail::field_count<T>();
  static constexpr bool kNamed =
      !std::is_null_pointer_v<std::remove_cv_t<decltype(field_names<T>)>>;
  using Index = std::make_index_sequence<kCount>;

  static Value from(const T& value) { return from(value, Index{}); }
  static T to(const Value& value) { return to(value, Index{}); }
  static bool fits(const Value& value) {
    std::size_t count = 0;
    return (kNamed && value.kind() == Kind::dict) ||
           (detail::is_sequence(value, &count) && count == kCount);
  }

 private:
  template <std::size_t... I>
  static Value from(const T& value, std::index_sequence<I...>) {
    [[maybe_unused]] const auto fields = mp::detail::fields_of(value);
    using boost::pfr::detail::sequence_tuple::get;
    if constexpr (kNamed) {
      static_assert(std::size(field_names<T>) == kCount, "each field of the struct needs a name");
      return Value::dict(Pairs{{Value{field_names<T>[I]}, detail::from_field(get<I>(fields))}...});
    } else {
      return Value::tuple(Items{detail::from_field(get<I>(fields))...});
    }
  }

  template <std::size_t... I>
  static T to(const Value& value, std::index_sequence<I...>) {
    std::span<const char* const> names;
    if constexpr (kNamed) {
      names = field_names<T>;
    }
    [[maybe_unused]] const Items items = detail::fields_in(value, names, kCount);
    if constexpr (mp::detail::FieldsOf<T>::kHasArray) {
      T made{};
      [[maybe_unused]] const auto fields = mp::detail::fields_of(made);
      using boost::pfr::detail::sequence_tuple::get;
      (detail::to_field(items[I], get<I>(fields)), ...);
      return made;
    } else {
      return T{Convert<std::remove_cv_t<mp::detail::Field<T, I>>>::to(items[I])...};
    }
  }
};

namespace detail {

// optional, unique_ptr and shared_ptr: None, or the value.
template <class T>
concept Maybe = requires(const T& value) {
  typename mp::codec<T>::Parts;
  *value;
  static_cast<bool>(value);
  T{nullptr};
}
&&!Container<T>;

}  // namespace detail

template <mp::detail::PathLike T>
struct Convert<T> {
  static Value from(const T& value) { return Value{std::string{value.native()}}; }
  static T to(const Value& value) { return T{detail::to_text(value)}; }
  static bool fits(const Value& value) { return Convert<std::string>::fits(value); }
};

template <mp::detail::ComplexLike T>
struct Convert<T> {
  using Part = typename T::value_type;
  static Value from(const T& value) {
    return Value::object("builtins", "complex", {Value{value.real()}, Value{value.imag()}});
  }
  static T to(const Value& value) {
    if (value.kind() == Kind::object && value.as_object().is("builtins", "complex")) {
      const Items& parts = detail::to_sequence(value.as_object().args, 2);
      return T{Convert<Part>::to(parts[0]), Convert<Part>::to(parts[1])};
    }
    return T{Convert<Part>::to(value)};
  }
};

template <class V>
struct Convert<std::optional<V>> {
  static Value from(const std::optional<V>& value) {
    return value ? Convert<V>::from(*value) : Value{};
  }
  static std::optional<V> to(const Value& value) {
    return value.is_none() ? std::nullopt : std::optional<V>{Convert<V>::to(value)};
  }
  static bool fits(const Value& value) { return value.is_none() || detail::fits<V>(value); }
};

template <detail::Maybe T>
struct Convert<T> {
  using V = typename T::element_type;
  static Value from(const T& value) { return value ? Convert<V>::from(*value) : Value{}; }
  static T to(const Value& value) {
    return value.is_none() ? T{} : T{std::make_unique<V>(Convert<V>::to(value))};
  }
  static bool fits(const Value& value) { return value.is_none() || detail::fits<V>(value); }
};

template <>
struct Convert<std::monostate> {
  static Value from(std::monostate) { return {}; }
  static std::monostate to(const Value& value) {
    if (!value.is_none()) {
      detail::throw_mismatch("None", value);
    }
    return {};
  }
  static bool fits(const Value& value) { return value.is_none(); }
};

template <class... T>
struct Convert<std::variant<T...>> {
  using Variant = std::variant<T...>;
  static Value from(const Variant& value) {
    return std::visit([](const auto& held) { return pickle::from(held); }, value);
  }
  // The first that fits at a glance; if none does, the first that a number or a sequence can
  // become.
  static Variant to(const Value& value) {
    std::optional<Variant> made;
    (void)((detail::fits<T>(value) && (made.emplace(Convert<T>::to(value)), true)) || ...);
    if (!made) {
      (void)((loosely<T>(value) && (made.emplace(Convert<T>::to(value)), true)) || ...);
    }
    if (!made) {
      detail::throw_mismatch("one of the alternatives of a variant", value);
    }
    return *std::move(made);
  }
  static bool fits(const Value& value) { return (detail::fits<T>(value) || ...); }

 private:
  // A number or a sequence that is not quite of the kind.
  template <class A>
  static bool loosely(const Value& value) {
    const bool number = value.kind() == Kind::integer || value.kind() == Kind::boolean ||
                        value.kind() == Kind::big_integer;
    return (std::is_floating_point_v<A> && number) ||
           (detail::ListLike<A> && value.kind() == Kind::tuple);
  }
};

namespace detail {

// Whole seconds, and nanoseconds below one second.
struct Span {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
};
MP_API Value timedelta(Span span);
MP_API Span to_span(const Value& value);
MP_API Value datetime(Span since_epoch);
MP_API Span to_instant(const Value& value);

template <class Duration>
Span span_of(Duration value) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(value);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(value - seconds);
  return {static_cast<std::int64_t>(seconds.count()), static_cast<std::int64_t>(rest.count())};
}
template <class Duration>
Duration duration_of(Span span) {
  using namespace std::chrono;
  return duration_cast<Duration>(seconds{span.seconds}) +
         duration_cast<Duration>(nanoseconds{span.nanoseconds});
}

}  // namespace detail

template <class Rep, class Period>
struct Convert<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static Value from(Duration value) { return detail::timedelta(detail::span_of(value)); }
  static Duration to(const Value& value) {
    return detail::duration_of<Duration>(detail::to_span(value));
  }
};

template <class Duration>
struct Convert<std::chrono::time_point<std::chrono::system_clock, Duration>> {
  using Instant = std::chrono::time_point<std::chrono::system_clock, Duration>;
  static Value from(Instant value) {
    return detail::datetime(detail::span_of(value.time_since_epoch()));
  }
  static Instant to(const Value& value) {
    return Instant{detail::duration_of<Duration>(detail::to_instant(value))};
  }
};

}  // namespace mp::pickle
