// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/deque.hpp — std::deque: a count and the elements.
#pragma once

#include <deque>

#include "mp/codec/types/sequence.hpp"

namespace mp {

// A deque allocates blocks of half a KiB and a map of pointers to them.
template <class T, class A>
struct codec<std::deque<T, A>> : detail::SequenceCodec<std::deque<T, A>, sizeof(void*)> {
  using Base = detail::SequenceCodec<std::deque<T, A>, sizeof(void*)>;
  static constexpr std::string_view kName = "deque";

  static std::deque<T, A> read(Reader& in) {
    in.charge(1024);  // even an empty one
    return Base::read(in);
  }
};

}  // namespace mp
