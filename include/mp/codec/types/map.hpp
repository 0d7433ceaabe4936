// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/map.hpp — std::map and std::multimap.
#pragma once

#include <map>

#include "mp/codec/types/associative.hpp"

namespace mp {

template <class K, class V, class C, class A>
requires detail::Stateless<C>
struct codec<std::map<K, V, C, A>>
    : detail::AssociativeCodec<std::map<K, V, C, A>, true, detail::kTreeNode> {
  static constexpr std::string_view kName = "map";
};

template <class K, class V, class C, class A>
requires detail::Stateless<C>
struct codec<std::multimap<K, V, C, A>>
    : detail::AssociativeCodec<std::multimap<K, V, C, A>, false, detail::kTreeNode> {
  static constexpr std::string_view kName = "multimap";
};

}  // namespace mp
