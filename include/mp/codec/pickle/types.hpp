// SPDX-License-Identifier: Apache-2.0
// mp/codec/pickle/types.hpp — Convert for scalars, strings and containers; see convert.hpp for the
// table.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <limits>
#include <tuple>
#include <utility>

#include "mp/codec/pickle/convert.hpp"
#include "mp/codec/types/array.hpp"
#include "mp/codec/types/duck.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/codec/types/tuple.hpp"
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
    constexpr auto kLeast = static_cast<int>(std::numeric_limits<signed char>::min());
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

// Not a proxy of one, which cannot be made of nothing.
template <class T>
concept Container = std::default_initializable<T> && requires(T value) {
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

}  // namespace mp::pickle

#include "mp/codec/pickle/records.hpp"
