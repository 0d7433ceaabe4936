// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/unordered_map.hpp — std::unordered_map and std::unordered_multimap.
#pragma once

#include <unordered_map>

#include "mp/codec/types/associative.hpp"

namespace mp {

template <class K, class V, class H, class E, class A>
requires detail::Stateless<H, E>
struct codec<std::unordered_map<K, V, H, E, A>>
    : detail::AssociativeCodec<std::unordered_map<K, V, H, E, A>, true, detail::kHashNode> {
  static constexpr std::string_view kName = "unordered_map";
};

template <class K, class V, class H, class E, class A>
requires detail::Stateless<H, E>
struct codec<std::unordered_multimap<K, V, H, E, A>>
    : detail::AssociativeCodec<std::unordered_multimap<K, V, H, E, A>, false, detail::kHashNode> {
  static constexpr std::string_view kName = "unordered_multimap";
};

}  // namespace mp
