// SPDX-License-Identifier: Apache-2.0
// mp/codec/codable.hpp — which types can be sent, and one sentence for each that cannot.
//
// Codable<T> looks through containers and fields: a struct with a pointer three levels down is not
// Codable. Templates that send values call detail::require_codable<T>(), so that the compiler
// prints a sentence that says what to do and not a page of substitutions.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <type_traits>

#include "mp/codec/aggregate.hpp"
#include "mp/codec/traits.hpp"

namespace mp {

namespace detail {

enum class Refusal {
  none,
  pointer,
  reference,
  view,
  function,
  base_class,
  union_type,
  open_enum,
  const_or_reference_member,
  unnamed,
  unsupported,
};

// An enum without an underlying type has only the values that fit into the bits of its enumerators,
// and nobody but the compiler knows how many those are.
template <class T>
concept FixedEnum = requires {
  T{std::underlying_type_t<T>{}};
};

template <class T>
inline constexpr bool kIsView = false;
template <class C, class Traits>
inline constexpr bool kIsView<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool kIsView<std::span<T, N>> = true;
template <class T>
inline constexpr bool kIsView<std::initializer_list<T>> = true;

template <class T>
inline constexpr bool kIsReferenceWrapper = false;
template <class T>
inline constexpr bool kIsReferenceWrapper<std::reference_wrapper<T>> = true;

template <class T>
inline constexpr bool kIsFunction = std::is_function_v<T>;
template <class R, class... A>
inline constexpr bool kIsFunction<std::function<R(A...)>> = true;

template <class T>
struct PartsOf {
  using type = CodecParts<>;
};
template <class T>
requires requires {
  typename codec<T>::Parts;
}
struct PartsOf<T> {
  using type = typename codec<T>::Parts;
};
template <class T>
requires requires {
  codec<T>::kAggregate;
}
struct PartsOf<T> {
  using type = typename FieldsOf<T>::Parts;
};

template <class T, class... Outer>
consteval Refusal refusal();

// The first refusal among the parts. `Outer` are the types being looked through: meeting one of
// them again, as a tree does in its own field, says nothing new.
template <class... Outer, class... P>
consteval Refusal refusal_of_parts(CodecParts<P...>) {
  Refusal found = Refusal::none;
  (void)((found = refusal<P, Outer...>(), found != Refusal::none) || ... || false);
  return found;
}

template <class T>
consteval Refusal refusal_of_shape() {
  if constexpr (std::is_reference_v<T> || kIsReferenceWrapper<T>) {
    return Refusal::reference;
  } else if constexpr (kIsFunction<T> || std::is_member_pointer_v<T> ||
                       std::is_function_v<std::remove_pointer_t<T>>) {
    return Refusal::function;
  } else if constexpr (std::is_pointer_v<T> || std::is_null_pointer_v<T>) {
    return Refusal::pointer;
  } else if constexpr (kIsView<T>) {
    return Refusal::view;
  } else if constexpr (std::is_union_v<T>) {
    return Refusal::union_type;
  } else if constexpr (std::is_enum_v<T>) {
    return FixedEnum<T> || enable_raw_codec<T> ? Refusal::none : Refusal::open_enum;
  } else if constexpr (requires { codec<T>::kAggregate; }) {
    if constexpr (HasBase<T>) {
      return Refusal::base_class;
    } else if constexpr (FieldsOf<T>::kHasConst ||
                         (!std::is_move_assignable_v<T> && FieldsOf<T>::kAssignable)) {
      return Refusal::const_or_reference_member;
    } else {
      return Refusal::none;
    }
  } else if constexpr (!HasCodec<T>) {
    return Refusal::unsupported;
  } else if constexpr (!requires { codec<T>::kName; }) {
    return Refusal::unnamed;
  } else {
    return Refusal::none;
  }
}

template <class T, class... Outer>
consteval Refusal refusal() {
  if constexpr ((std::is_same_v<T, Outer> || ... || false)) {
    return Refusal::none;
  } else if constexpr (std::is_array_v<T>) {
    return refusal<std::remove_cv_t<std::remove_all_extents_t<T>>, Outer...>();
  } else if constexpr (refusal_of_shape<T>() != Refusal::none) {
    return refusal_of_shape<T>();
  } else if constexpr (std::is_class_v<T>) {
    return refusal_of_parts<T, Outer...>(typename PartsOf<T>::type{});
  } else {
    return Refusal::none;
  }
}

template <class T>
inline constexpr Refusal kRefusal = refusal<T>();

// Fails to compile, with one sentence, when a T cannot be sent.
template <class T>
consteval void require_codable() {
  constexpr Refusal kWhy = kRefusal<T>;
  static_assert(kWhy != Refusal::pointer,
                "mp cannot send a pointer, or a type that holds one: the address means nothing in "
                "another process. Send the value itself, or a std::unique_ptr or std::shared_ptr, "
                "which travel by value.");
  static_assert(kWhy != Refusal::reference,
                "mp cannot send a reference or std::reference_wrapper, or a type that holds one: "
                "what it refers to stays behind. Send the value itself.");
  static_assert(kWhy != Refusal::view,
                "mp cannot send a view (std::string_view, std::span, std::initializer_list), or a "
                "type that holds one: what it shows stays behind. Send a std::string or a "
                "std::vector.");
  static_assert(kWhy != Refusal::function,
                "mp cannot send a function, function pointer or std::function as a value. Give the "
                "callable itself to Process or Pool, with mp::partial for bound arguments.");
  static_assert(kWhy != Refusal::base_class,
                "mp cannot send an aggregate with a base class by its fields. Make the base a "
                "member, or specialise mp::codec<T>.");
  static_assert(kWhy != Refusal::union_type,
                "mp cannot send a union: nobody knows which member is alive. Use std::variant.");
  static_assert(kWhy != Refusal::open_enum,
                "mp cannot send an enum without an underlying type: a bad value could not be told "
                "from a good one. Write `enum Color : int`, or set mp::enable_raw_codec<Color>.");
  static_assert(kWhy != Refusal::const_or_reference_member,
                "mp cannot send an aggregate with a const or reference member. Make the member a "
                "plain value, or specialise mp::codec<T>.");
  static_assert(kWhy != Refusal::unnamed,
                "a specialisation of mp::codec<T> needs `static constexpr std::string_view kName`, "
                "which names the type on the wire.");
  static_assert(kWhy != Refusal::unsupported,
                "mp does not know how to send this type, or a type inside it. Make it an aggregate "
                "of sendable members, or specialise mp::codec<T> with kName, write and read.");
}

}  // namespace detail

// A type whose values can be sent to another process.
template <class T>
concept Codable = detail::kRefusal<T>
== detail::Refusal::none;

}  // namespace mp
