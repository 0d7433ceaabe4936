// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/associative.hpp — what the maps and sets share.
#pragma once

#include <type_traits>
#include <utility>

#include "mp/codec/traits.hpp"

namespace mp::detail {

// How keys are compared or hashed must not be state: the receiver makes its own.
template <class... F>
concept Stateless = ((std::is_empty_v<F> && std::is_default_constructible_v<F>)&&...);

template <class C>
struct AssociativeParts {
  using Parts = CodecParts<typename C::key_type>;
};
template <class C>
requires requires {
  typename C::mapped_type;
}
struct AssociativeParts<C> {
  using Parts = CodecParts<typename C::key_type, typename C::mapped_type>;
};

template <class... P>
consteval std::size_t min_size_of_parts(CodecParts<P...>) {
  return (kMinSizeOf<P> + ...);
}

// A count, then key and value in turn, or the keys alone. `kUnique` when a key may come but once;
// `kNode` is what each element costs beside itself in memory.
template <class C, bool kUnique, std::size_t kNode>
struct AssociativeCodec {
  using Parts = typename AssociativeParts<C>::Parts;
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);

  template <class Out>
  static void write(Out& out, const C& value) {
    out.write_count(value.size());
    const Nesting nesting{out};
    for (const auto& element : value) {
      if constexpr (requires { typename C::mapped_type; }) {
        mp::write(out, element.first);
        mp::write(out, element.second);
      } else {
        mp::write(out, element);
      }
    }
  }

  static C read(Reader& in) {
    const std::size_t count =
        in.read_count(min_size_of_parts(Parts{}), sizeof(typename C::value_type) + kNode);
    const Nesting nesting{in};
    C value;
    if constexpr (requires { value.reserve(count); }) {
      value.reserve(count);
    }
    for (std::size_t i = 0; i != count; ++i) {
      auto key = mp::read<typename C::key_type>(in);
      if constexpr (requires { typename C::mapped_type; }) {
        value.emplace_hint(value.end(), std::move(key), mp::read<typename C::mapped_type>(in));
      } else {
        value.emplace_hint(value.end(), std::move(key));
      }
    }
    if (kUnique && value.size() != count) {
      in.fail("a key comes twice");
    }
    return value;
  }
};

// Memory beside an element: the links of a tree node, or of a hash node, its hash and its buckets.
inline constexpr std::size_t kTreeNode = 4 * sizeof(void*);
inline constexpr std::size_t kHashNode = 5 * sizeof(void*);

}  // namespace mp::detail
