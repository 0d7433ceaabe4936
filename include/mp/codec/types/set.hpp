// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/set.hpp — std::set and std::multiset.
#pragma once

#include <set>

#include "mp/codec/types/associative.hpp"

namespace mp {

template <class K, class C, class A>
requires detail::Stateless<C>
struct codec<std::set<K, C, A>>
    : detail::AssociativeCodec<std::set<K, C, A>, true, detail::kTreeNode> {
  static constexpr std::string_view kName = "set";
};

template <class K, class C, class A>
requires detail::Stateless<C>
struct codec<std::multiset<K, C, A>>
    : detail::AssociativeCodec<std::multiset<K, C, A>, false, detail::kTreeNode> {
  static constexpr std::string_view kName = "multiset";
};

}  // namespace mp
