// SPDX-License-Identifier: Apache-2.0
// mp/process/callable.hpp — which callables can be sent to another process, and as what.
//
// | callable                                       | what travels with the call              |
// |------------------------------------------------|-----------------------------------------|
// | captureless lambda, generic too; empty functor | nothing: its type is in the thunk       |
// | mp::fn<f>                                      | nothing                                 |
// | pointer to function, static ones too           | where the function is (code_ref.hpp)    |
// | pointer to member function or member           | the same; a virtual one: its number     |
// | mp::partial(f, values...)                      | f, and the values                       |
// | functor that is Codable (an aggregate of       | its value                               |
// | Codable fields, or with a codec of its own)    |                                         |
// | lambda with captures, std::function            | refused when the program is compiled    |
//
// Whether it is code of the executable or of a shared library makes no difference.
//
// Processes: only those of one tree, which run the same executable. To strangers code is never
//            sent.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/codec/codable.hpp"
#include "mp/codec/traits.hpp"
#include "mp/process/code_ref.hpp"
#include "mp/process/partial.hpp"

namespace mp {

namespace detail {

enum class CallableKind {
  function,
  member_function,
  member,
  stateless,
  partial,
  value,
  refused,
};

template <class F>
inline constexpr bool kIsPartial = false;
template <class F, class... Bound>
inline constexpr bool kIsPartial<Partial<F, Bound...>> = true;

template <class F>
consteval CallableKind callable_kind() {
  if constexpr (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>) {
    return CallableKind::function;
  } else if constexpr (std::is_member_function_pointer_v<F>) {
    return CallableKind::member_function;
  } else if constexpr (std::is_member_object_pointer_v<F>) {
    return CallableKind::member;
  } else if constexpr (kIsPartial<F>) {
    return CallableKind::partial;
  } else if constexpr (std::is_class_v<F> && std::is_empty_v<F> &&
                       (std::is_default_constructible_v<F> || std::is_trivially_copyable_v<F>)) {
    return CallableKind::stateless;
  } else if constexpr (std::is_class_v<F> && Codable<F>) {
    return CallableKind::value;  // never a closure: a closure is no aggregate and has no codec
  } else {
    return CallableKind::refused;
  }
}

// How an F is written into a call and made again on the other side.
template <class F>
struct Shipping {
  static constexpr CallableKind kKind = callable_kind<F>();
  static constexpr bool kPossible = kKind != CallableKind::refused;

  template <class Out>
  static void write(Out& out, const F& callable) {
    if constexpr (kKind == CallableKind::function) {
      write_code(out, reinterpret_cast<const void*>(callable));
    } else if constexpr (kKind == CallableKind::member_function) {
      write_member_code(out, std::bit_cast<MemberCode>(callable));
    } else if constexpr (kKind == CallableKind::member) {
      out.write_raw(callable);
    } else if constexpr (kKind == CallableKind::value) {
      mp::write(out, callable);
    }
  }

  static F read(Reader& in) {
    if constexpr (kKind == CallableKind::function) {
      return reinterpret_cast<F>(const_cast<void*>(read_code(in)));
    } else if constexpr (kKind == CallableKind::member_function) {
      return std::bit_cast<F>(read_member_code(in));
    } else if constexpr (kKind == CallableKind::member) {
      return in.read_raw<F>();
    } else if constexpr (kKind == CallableKind::value) {
      return mp::read<F>(in);
    } else if constexpr (std::is_default_constructible_v<F>) {
      return F{};
    } else {
      return std::bit_cast<F>(std::array<std::byte, sizeof(F)>{});  // [=] {} that captures nothing
    }
  }
};

template <class F, class... Bound>
struct Shipping<Partial<F, Bound...>> {
  static constexpr CallableKind kKind = CallableKind::partial;
  static constexpr bool kPossible = Shipping<F>::kPossible && (Codable<Bound> && ...);

  template <class Out>
  static void write(Out& out, const Partial<F, Bound...>& partial) {
    Shipping<F>::write(out, partial.callable_);
    std::apply([&](const Bound&... bound) { (mp::write(out, bound), ...); }, partial.bound_);
  }
  static Partial<F, Bound...> read(Reader& in) {
    return Partial<F, Bound...>{Shipping<F>::read(in), mp::read<Bound>(in)...};
  }
};

template <class F>
inline constexpr bool kClosureIsSendable = Shipping<F>::kPossible;
template <class F, class... Bound>
inline constexpr bool kClosureIsSendable<Partial<F, Bound...>> = kClosureIsSendable<F>;

template <class... Bound, class F>
consteval void require_bound(std::type_identity<Partial<F, Bound...>>) {
  (require_codable<Bound>(), ...);
}
template <class F>
consteval void require_bound(std::type_identity<F>) {}

// Fails to compile, with one sentence, when an F cannot be sent.
template <class F>
consteval void require_shippable() {
  static_assert(kClosureIsSendable<F>,
                "mp cannot send this callable to another process: it has captures or other state "
                "that cannot be encoded. Capture nothing and bind the values with "
                "mp::partial(f, values...), or make it an aggregate of sendable fields.");
  require_bound(std::type_identity<F>{});
}

}  // namespace detail

// A callable that can be sent to another process of the same tree.
template <class F>
concept ShippableCallable = detail::Shipping<std::decay_t<F>>::kPossible;

}  // namespace mp
