// SPDX-License-Identifier: Apache-2.0
// mp/manager/modifier.hpp — functions that a server applies to a value that it holds, in one step.
//
//     void raise_pay(Employee& e, int percent) { e.pay += e.pay * percent / 100; }
//     int doubled(int x) { return 2 * x; }
//     ...
//     staff.modify<raise_pay>("ada", 5);     // DictProxy<std::string, Employee>
//     numbers.modify<doubled>(3);            // ListProxy<int>
//
// A function takes the value, by reference or by value, and what else modify() is given; the value
// is afterwards what it has made of the reference, or what it returns. It goes over the wire as its
// name: the program that serves must have a call of modify with that function in it, too, or
// mp::serve_modifier<f>(). It runs where everything else of the server waits for it, so it should
// be a matter of microseconds.
//
// Threads:   the server's one runs them, one after another, so a function needs no lock.
// Crash:     a caller that dies leaves the old value or the new one.
// Blocks:    as every call of a proxy, until the answer is there.
// Throws:    what the function throws leaves the value as it was, and arrives at the caller.
//            UsageError: the program that serves does not know the function.
// Python:    none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/type_tag.hpp"
#include "mp/manager/item.hpp"
#include "mp/manager/registry.hpp"

namespace mp {

namespace detail {

// A function of this program that modifies values with `tag`. Made during static initialisation.
struct MP_API Modifier {
  // Returns the new value. `call` has the other arguments.
  using Apply = Bytes (*)(ByteView value, ServedCall& call);

  Modifier(std::uint64_t the_name, std::uint64_t the_tag, Apply the_apply) noexcept;
  std::uint64_t name;
  std::uint64_t tag;
  Apply apply;
  const Modifier* next;
};

// Returns nullptr if this program has no such function.
[[nodiscard]] MP_API const Modifier* find_modifier(std::uint64_t name, std::uint64_t tag) noexcept;

template <class F>
struct ModifierShape;
template <class R, class V, class... A>
struct ModifierShape<R (*)(V, A...)> {
  using Value = std::decay_t<V>;
  static_assert(!std::is_void_v<R> || std::is_lvalue_reference_v<V>,
                "a modifier returns the new value, or takes the value by reference");

  template <auto F>
  static Bytes apply(ByteView bytes, ServedCall& call) {
    call.expect_arguments(sizeof...(A));
    auto value = read_item_bytes<Value>(bytes);
    return apply_to<F>(value, call, std::index_sequence_for<A...>{});
  }

 private:
  template <auto F, std::size_t... I>
  static Bytes apply_to(Value& value, [[maybe_unused]] ServedCall& call,
                        std::index_sequence<I...>) {
    if constexpr (std::is_void_v<R>) {
      F(value, call.take<std::decay_t<A>>(I)...);
      return item_bytes_of(value);
    } else {
      const Value made = F(static_cast<V>(value), call.take<std::decay_t<A>>(I)...);
      return item_bytes_of(made);
    }
  }
};
template <class R, class V, class... A>
struct ModifierShape<R (*)(V, A...) noexcept> : ModifierShape<R (*)(V, A...)> {};

// The function's name with its namespaces, as every compiler spells it.
template <auto F>
constexpr std::uint64_t modifier_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("F = ") + 4);
  text = text.substr(0, text.find_first_of(";]"));
  while (text.starts_with('&') || text.starts_with(' ') || text.starts_with('(')) {
    text.remove_prefix(1);
  }
  return hash_text(text.substr(0, text.find_first_of("( )")));
}

template <auto F>
inline Modifier modifier{modifier_name<F>(), item_tag<typename ModifierShape<decltype(F)>::Value>(),
                         &ModifierShape<decltype(F)>::template apply<F>};

// Has the program know F, and returns its name.
template <auto F, class T>
std::uint64_t modifier_of() {
  static_assert(std::is_same_v<typename ModifierShape<decltype(F)>::Value, T>,
                "the modifier takes another type than the values that are there");
  (void)&modifier<F>;
  return modifier_name<F>();
}

}  // namespace detail

// Has this program, when it serves, apply F for its clients.
template <auto F>
void serve_modifier() noexcept {
  (void)&detail::modifier<F>;
}

}  // namespace mp
