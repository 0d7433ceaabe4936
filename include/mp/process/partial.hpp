// SPDX-License-Identifier: Apache-2.0
// mp/process/partial.hpp — a callable with its first arguments filled in, which can be sent.
//
//     pool.map(mp::partial(power, 2.0), exponents);          // power(2.0, n) for each n
//     PoolOptions{.initializer = mp::partial(set_base, 100)}
//
// It is what a capturing lambda would be elsewhere. A closure cannot be sent: its captures have no
// names by which a library could encode them, and nothing tells a captured pointer from a number.
// The arguments of a partial are stored by value (C strings as std::string), and encoded one by
// one.
//
// A Partial is an ordinary function object and may be called here as well. As with std::bind_front,
// bound arguments are passed as the Partial is: lvalues of an lvalue, moved out of an rvalue.
//
// Threads:   as the callable and the values in it.
// Processes: sendable when the callable is and each bound value is Codable.
// Owns:      copies of the bound values.
// Throws:    what the callable throws; UsageError when a null C string is bound.
// Python:    functools.partial.
#pragma once

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/codec/normalized.hpp"

namespace mp {

namespace detail {

template <class F>
struct Shipping;

// Copies or moves an argument into what travels for it.
template <class T>
constexpr Normalized<T> normalize(T&& value) {
  if constexpr (std::is_pointer_v<std::remove_reference_t<T>> &&
                !std::is_same_v<Normalized<T>, std::decay_t<T>>) {
    MP_EXPECTS(value != nullptr, "a null C string was given as argument");
  }
  return Normalized<T>(std::forward<T>(value));
}

}  // namespace detail

template <class F, class... Bound>
class Partial {
 public:
  constexpr explicit Partial(F callable, Bound... bound)
      : callable_(std::move(callable)), bound_(std::move(bound)...) {}

  template <class... Args>
  requires std::is_invocable_v<F&, Bound&..., Args...>
  constexpr decltype(auto) operator()(Args&&... args) & {
    return call(*this, std::forward<Args>(args)...);
  }
  template <class... Args>
  requires std::is_invocable_v<const F&, const Bound&..., Args...>
  constexpr decltype(auto) operator()(Args&&... args) const& {
    return call(*this, std::forward<Args>(args)...);
  }
  template <class... Args>
  requires std::is_invocable_v<F, Bound..., Args...>
  constexpr decltype(auto) operator()(Args&&... args) && {
    return call(std::move(*this), std::forward<Args>(args)...);
  }

 private:
  friend struct detail::Shipping<Partial>;

  template <class Self, class... Args>
  static constexpr decltype(auto) call(Self&& self, Args&&... args) {
    return std::apply(
        [&](auto&&... bound) -> decltype(auto) {
          return std::invoke(std::forward<Self>(self).callable_,
                             std::forward<decltype(bound)>(bound)..., std::forward<Args>(args)...);
        },
        std::forward<Self>(self).bound_);
  }

  F callable_;
  std::tuple<Bound...> bound_;
};

// Returns `callable` with its first arguments filled in.
template <class F, class... Args>
[[nodiscard]] constexpr auto partial(F&& callable, Args&&... args) {
  return Partial<std::decay_t<F>, detail::Normalized<Args>...>{
      std::forward<F>(callable), detail::normalize(std::forward<Args>(args))...};
}

}  // namespace mp
