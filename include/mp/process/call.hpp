// SPDX-License-Identifier: Apache-2.0
// mp/process/call.hpp — a callable and its arguments, made into bytes that another process can run.
//
//     mp::RawCall call = mp::make_call(power, 2.0, 10);
//     ...                                                    // in the other process:
//     mp::run_call(in, out, self);
//     ...                                                    // and back here:
//     double result = mp::read_outcome<double>(outcome);
//
// The parts, for who writes straight into the memory of a channel: call_size tells how many bytes
// write_call will write; write_batch_head and write_batch_items write a call of many items, whose
// head may be kept and used for one batch after the other.
//
// Arguments are copied as std::thread copies them (decayed), C strings become std::string, and the
// callable gets them as rvalues: it may take them by value, by const reference or by rvalue
// reference. A pointer to member is called as std::invoke does, the object first. A result is
// decayed too. Of a batch each item is such an argument, and the callable is called as an lvalue.
//
// Processes: what can be sent is the table in callable.hpp, and every Codable value.
// Throws:    UsageError for a null function, a null C string, or a handle without a carrier. What
//            cannot be sent at all does not compile.
// Python:    what multiprocessing pickles for a task.
#pragma once

#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "mp/codec/codec.hpp"
#include "mp/codec/types/tuple.hpp"
#include "mp/process/callable.hpp"
#include "mp/process/raw_call.hpp"

namespace mp {

// How an item becomes arguments: as the one argument, or (starmap) spread like a tuple.
enum class Spread : bool { no, yes };

namespace detail {

template <class R>
consteval bool require_result() {
  if constexpr (!std::is_void_v<R>) {
    require_codable<R>();
    return Codable<R>;
  }
  return true;
}

// Fails to compile, with one sentence, when a call cannot be sent or made. Returns whether it can,
// so that the compiler need not say the same again in its own words.
template <class Invoked, class... Args>
consteval bool require_call() {
  require_shippable<std::decay_t<Invoked>>();
  (require_codable<Args>(), ...);
  if constexpr (!ShippableCallable<Invoked> || !(Codable<Args> && ... && true)) {
    return false;
  } else if constexpr (std::is_invocable_v<Invoked, Args...>) {
    return require_result<std::decay_t<std::invoke_result_t<Invoked, Args...>>>();
  } else {
    static_assert(std::is_invocable_v<Invoked, Args...>,
                  "mp cannot call this callable with these arguments. They arrive as rvalues: take "
                  "them by value or by const reference, not by non-const reference.");
    return false;
  }
}

// A list of arguments, as a type.
template <class Invoked, class... Args>
struct CallOf {
  static constexpr bool check() { return require_call<Invoked, Args...>(); }
};

template <class F>
const std::type_info& callable_type() noexcept {
  return typeid(F);
}

// The thunk of one call: F called with Args, all decayed.
template <class F, class... Args>
struct CallThunk {
  using Result = std::decay_t<std::invoke_result_t<F, Args...>>;

  static void run(CallFrame& frame) {
    frame.announce(callable_type<F>());
    F callable = Shipping<F>::read(frame.in);
    std::tuple<Args...> args{mp::read<Args>(frame.in)...};  // braces: read in order
    frame.in.expect_end();
    frame.told_decoded();
    if constexpr (std::is_void_v<Result>) {
      std::apply(std::move(callable), std::move(args));
    } else {
      mp::write(frame.out, static_cast<const Result&>(
                               Result(std::apply(std::move(callable), std::move(args)))));
    }
  }
};

template <class F, class Item, class Index>
struct SpreadTypes;
template <class F, class Item, std::size_t... I>
struct SpreadTypes<F, Item, std::index_sequence<I...>> {
  using Check = CallOf<F&, std::tuple_element_t<I, Item>...>;
  template <class Invoked>
  using Result = std::invoke_result_t<Invoked, std::tuple_element_t<I, Item>...>;
};

template <class F, class Item, Spread kSpread>
struct ItemTypes {
  using Check = CallOf<F&, Item>;
  template <class Invoked>
  using Result = std::invoke_result_t<Invoked, Item>;
};
template <class F, class Item>
struct ItemTypes<F, Item, Spread::yes>
    : SpreadTypes<F, Item, std::make_index_sequence<std::tuple_size_v<Item>>> {};

// The thunk of a call of many items.
template <class F, class Item, Spread kSpread>
struct BatchThunk {
  using Result = std::decay_t<typename ItemTypes<F, Item, kSpread>::template Result<F&>>;

  static void run(CallFrame& frame) {
    frame.announce(callable_type<F>());
    F callable = Shipping<F>::read(frame.in);
    run_batch(frame, std::addressof(callable), &step);
  }

 private:
  static decltype(auto) call(F& callable, Item&& item) {
    if constexpr (kSpread == Spread::yes) {
      return std::apply(callable, std::move(item));
    } else {
      return std::invoke(callable, std::move(item));
    }
  }

  static void step(void* callable, Reader& in, Writer& out, bool& decoded) {
    Item item = mp::read<Item>(in);
    decoded = true;
    if (callable == nullptr) {
      return;
    }
    if constexpr (std::is_void_v<Result>) {
      call(*static_cast<F*>(callable), std::move(item));
      out.write_count(0);
    } else {
      const Result result = call(*static_cast<F*>(callable), std::move(item));
      out.write_count(encoded_size(result));
      mp::write(out, result);
    }
  }
};

// Writes what a callable or an argument is after normalisation, without copying it if it is that.
template <class Out, class T>
void write_argument(Out& out, const T& value) {
  if constexpr (std::is_same_v<Normalized<T>, T>) {
    mp::write(out, value);
  } else {
    mp::write(out, normalize(value));
  }
}

template <class Out>
void write_thunk(Out& out, Thunk thunk) {
  write_code(out, reinterpret_cast<const void*>(thunk));
}

}  // namespace detail

// What a call of `f` with `args` returns to its caller.
template <class F, class... Args>
using CallResult = std::decay_t<std::invoke_result_t<std::decay_t<F>, detail::Normalized<Args>...>>;

// What a map of `f` over items of type `Item` returns for each.
template <class F, class Item>
using MapResult = std::decay_t<std::invoke_result_t<std::decay_t<F>&, detail::Normalized<Item>>>;
template <class F, class Item>
using StarmapResult =
    std::decay_t<typename detail::ItemTypes<std::decay_t<F>, Item,
                                            Spread::yes>::template Result<std::decay_t<F>&>>;

// Writes the call of `f` with `args`. `out` is a Writer, or a Sizer.
template <class Out, class F, class... Args>
void write_call(Out& out, const F& f, const Args&... args) {
  if constexpr (detail::require_call<std::decay_t<F>, detail::Normalized<Args>...>()) {
    using Typed = detail::CallThunk<std::decay_t<F>, detail::Normalized<Args>...>;
    detail::write_thunk(out, &Typed::run);
    detail::Shipping<std::decay_t<F>>::write(out, f);
    (detail::write_argument(out, args), ...);
  }
}

// Returns how many bytes write_call writes.
template <class F, class... Args>
[[nodiscard]] std::size_t call_size(const F& f, const Args&... args) {
  Sizer sizer;
  write_call(sizer, f, args...);
  return sizer.size();
}

// Returns the call of `f` with `args`, encoded.
template <class F, class... Args>
[[nodiscard]] RawCall make_call_with(Carrier* carrier, const F& f, const Args&... args) {
  Bytes bytes(call_size(f, args...));
  Writer out{bytes, carrier};
  write_call(out, f, args...);
  return RawCall{std::move(bytes), detail::callable_type<std::decay_t<F>>()};
}
template <class F, class... Args>
[[nodiscard]] RawCall make_call(const F& f, const Args&... args) {
  return make_call_with(nullptr, f, args...);
}

// Writes the head of a call of `f` for many items of type `Item`: f(item), or f(parts of item...).
template <class Item, Spread kSpread = Spread::no, class Out, class F>
void write_batch_head(Out& out, const F& f) {
  if constexpr (detail::ItemTypes<std::decay_t<F>, detail::Normalized<Item>,
                                  kSpread>::Check::check()) {
    using Typed = detail::BatchThunk<std::decay_t<F>, detail::Normalized<Item>, kSpread>;
    detail::write_thunk(out, &Typed::run);
    detail::Shipping<std::decay_t<F>>::write(out, f);
  }
}

// Writes the `count` items from `first`, behind a head.
template <class Item, class Out, class Iterator>
void write_batch_items(Out& out, Iterator first, std::size_t count) {
  out.write_count(count);
  for (; count != 0; --count, ++first) {
    const Item& item = *first;
    detail::write_argument(out, item);
  }
}

}  // namespace mp
