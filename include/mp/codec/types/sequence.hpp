// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/sequence.hpp — what std::list, std::forward_list and std::deque share.
#pragma once

#include <iterator>

#include "mp/codec/traits.hpp"

namespace mp::detail {

// A count and the elements. `kNode` is what each element costs beside itself in memory.
template <class C, std::size_t kNode>
struct SequenceCodec {
  using T = typename C::value_type;
  using Parts = CodecParts<T>;
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);

  template <class Out>
  static void write(Out& out, const C& value) {
    out.write_count(static_cast<std::size_t>(std::distance(value.begin(), value.end())));
    const Nesting nesting{out};
    for (const T& element : value) {
      mp::write(out, element);
    }
  }

  static C read(Reader& in) {
    const std::size_t count = in.read_count(kMinSizeOf<T>, sizeof(T) + kNode);
    const Nesting nesting{in};
    C value;
    if constexpr (requires { value.before_begin(); }) {
      auto last = value.before_begin();
      for (std::size_t i = 0; i != count; ++i) {
        last = value.emplace_after(last, mp::read<T>(in));
      }
    } else {
      for (std::size_t i = 0; i != count; ++i) {
        value.push_back(mp::read<T>(in));
      }
    }
    return value;
  }
};

}  // namespace mp::detail
