// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/list.hpp — std::list: a count and the elements.
#pragma once

#include <list>

#include "mp/codec/types/sequence.hpp"

namespace mp {

template <class T, class A>
struct codec<std::list<T, A>> : detail::SequenceCodec<std::list<T, A>, 2 * sizeof(void*)> {
  static constexpr std::string_view kName = "list";
};

}  // namespace mp
