// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/forward_list.hpp — std::forward_list: a count and the elements.
#pragma once

#include <forward_list>

#include "mp/codec/types/sequence.hpp"

namespace mp {

template <class T, class A>
struct codec<std::forward_list<T, A>>
    : detail::SequenceCodec<std::forward_list<T, A>, 1 * sizeof(void*)> {
  static constexpr std::string_view kName = "forward_list";
};

}  // namespace mp
