// SPDX-License-Identifier: Apache-2.0
// mp/codec/pickle/records.hpp — Convert for aggregates, alternatives, paths and times; see
// convert.hpp for the table.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <utility>
#include <variant>

#include "mp/codec/aggregate.hpp"
#include "mp/codec/pickle/convert.hpp"
#include "mp/codec/types/chrono.hpp"
#include "mp/codec/types/duck.hpp"
#include "mp/codec/types/optional.hpp"
#include "mp/codec/types/variant.hpp"

namespace mp::pickle {

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
inline constexpr std::int64_t kNanosecondsInSecond = 1'000'000'000;

MP_API Value timedelta(Span span);
MP_API Span to_span(const Value& value);
MP_API Value datetime(Span since_epoch);
MP_API Span to_instant(const Value& value);

[[noreturn]] MP_API void throw_too_long();

template <class Duration>
Span span_of(Duration value) {
  // By way of the seconds nearer to zero, which every duration that there is can hold.
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(value);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(value - whole);
  const auto seconds = static_cast<std::int64_t>(whole.count());
  const auto nanoseconds = static_cast<std::int64_t>(rest.count());
  return nanoseconds < 0 ? Span{seconds - 1, nanoseconds + kNanosecondsInSecond}
                         : Span{seconds, nanoseconds};
}
template <class Duration>
Duration duration_of(Span span) {
  using namespace std::chrono;
  if (span.seconds < 0 && span.nanoseconds > 0) {
    span = {span.seconds + 1, span.nanoseconds - kNanosecondsInSecond};
  }
  using Exact = duration<long double, typename Duration::period>;
  const Exact wanted = Exact{seconds{span.seconds}} + Exact{nanoseconds{span.nanoseconds}};
  if (wanted < Exact{Duration::min()} || wanted > Exact{Duration::max()}) {
    throw_too_long();
  }
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
