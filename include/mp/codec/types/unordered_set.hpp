// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/unordered_set.hpp — std::unordered_set and std::unordered_multiset.
#pragma once

#include <unordered_set>

#include "mp/codec/types/associative.hpp"

namespace mp {

template <class K, class H, class E, class A>
requires detail::Stateless<H, E>
struct codec<std::unordered_set<K, H, E, A>>
    : detail::AssociativeCodec<std::unordered_set<K, H, E, A>, true, detail::kHashNode> {
  static constexpr std::string_view kName = "unordered_set";
};

template <class K, class H, class E, class A>
requires detail::Stateless<H, E>
struct codec<std::unordered_multiset<K, H, E, A>>
    : detail::AssociativeCodec<std::unordered_multiset<K, H, E, A>, false, detail::kHashNode> {
  static constexpr std::string_view kName = "unordered_multiset";
};

}  // namespace mp
