// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/memory.hpp — std::unique_ptr and std::shared_ptr travel by value.
//
// The receiver gets an object of its own. Two shared_ptr to one object become two objects, and a
// ring of them is refused by the limit of depth. A class with virtual functions is refused unless
// it is final, for what the pointer really points to would be cut off.
#pragma once

#include <memory>
#include <type_traits>

#include "mp/codec/traits.hpp"

namespace mp {

namespace detail {

template <class T>
concept Pointee = !std::is_array_v<T> && !std::is_void_v<T>;

template <class T>
struct PointerCodec {
  using Value = std::remove_cv_t<T>;
  using Parts = CodecParts<Value>;
  static constexpr std::size_t kMinSize = 1;
  static_assert(!std::is_polymorphic_v<Value> || std::is_final_v<Value>,
                "mp cannot send a pointer to a base class: only the base would arrive. Specialise "
                "mp::codec for the pointer type, or mark the class final.");

  template <class Out, class P>
  static void write(Out& out, const P& pointer) {
    out.write_raw(static_cast<std::uint8_t>(pointer != nullptr));
    if (pointer != nullptr) {
      const Nesting nesting{out};
      mp::write(out, static_cast<const Value&>(*pointer));
    }
  }

  // Calls `make` with the value when there is one. `extra` is what is allocated beside it.
  template <class P, class Make>
  static P read_with(Reader& in, std::size_t extra, Make make) {
    if (in.read_choice(2) == 0) {
      return nullptr;
    }
    in.charge(sizeof(Value) + extra);
    const Nesting nesting{in};
    return make(mp::read<Value>(in));
  }
};

}  // namespace detail

template <detail::Pointee T>
struct codec<std::unique_ptr<T>> : detail::PointerCodec<T> {
  static constexpr std::string_view kName = "unique_ptr";
  static std::unique_ptr<T> read(Reader& in) {
    using Value = std::remove_cv_t<T>;
    return codec::template read_with<std::unique_ptr<T>>(
        in, 0, [](Value&& value) { return std::make_unique<T>(static_cast<Value&&>(value)); });
  }
};

template <detail::Pointee T>
struct codec<std::shared_ptr<T>> : detail::PointerCodec<T> {
  static constexpr std::string_view kName = "shared_ptr";
  static std::shared_ptr<T> read(Reader& in) {
    using Value = std::remove_cv_t<T>;
    return codec::template read_with<std::shared_ptr<T>>(in, 4 * sizeof(void*), [](Value&& value) {
      return std::make_shared<T>(static_cast<Value&&>(value));
    });
  }
};

}  // namespace mp
