// SPDX-License-Identifier: Apache-2.0
// mp/process/fn.hpp — a function as a value without state.
//
// mp::fn<f> calls f, which is known at compile time, so nothing but its type has to travel, the
// compiler can inline the call, and error messages can name the function:
//
//     pool.map(mp::fn<square>, xs);
//     pool.apply(mp::fn<&Account::balance>, account);   // the object is the first argument
//
// Threads: stateless.
// Throws:  what f throws.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

namespace mp {

template <auto f>
struct Fn {
  template <class... Args>
  requires std::is_invocable_v<decltype(f), Args...>
  constexpr decltype(auto) operator()(Args&&... args) const
      noexcept(std::is_nothrow_invocable_v<decltype(f), Args...>) {
    return std::invoke(f, std::forward<Args>(args)...);
  }
};

template <auto f>
inline constexpr Fn<f> fn{};

}  // namespace mp
