// SPDX-License-Identifier: Apache-2.0
// mp/manager/served_as.hpp — which object of a server a typed proxy stands for.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mp/manager/containers.hpp"
#include "mp/manager/queue_proxy.hpp"
#include "mp/manager/raw_proxy.hpp"
#include "mp/manager/sync_proxies.hpp"

namespace mp::detail {

template <class... T>
std::vector<std::uint64_t> item_tags() {
  return {item_tag<T>()...};
}

template <class P>
struct ServedAs;
template <class K, class V>
struct ServedAs<DictProxy<K, V>> {
  static constexpr std::string_view kType = "dict";
  static std::vector<std::uint64_t> tags() { return item_tags<K, V>(); }
};
template <class T>
struct ServedAs<ListProxy<T>> {
  static constexpr std::string_view kType = "list";
  static std::vector<std::uint64_t> tags() { return item_tags<T>(); }
};
template <class T>
struct ServedAs<SetProxy<T>> {
  static constexpr std::string_view kType = "set";
  static std::vector<std::uint64_t> tags() { return item_tags<T>(); }
};
template <class T>
struct ServedAs<QueueProxy<T>> {
  static constexpr std::string_view kType = "Queue";
  static std::vector<std::uint64_t> tags() { return item_tags<T>(); }
};
template <class T>
struct ServedAs<JoinableQueueProxy<T>> {
  static constexpr std::string_view kType = "JoinableQueue";
  static std::vector<std::uint64_t> tags() { return item_tags<T>(); }
};
template <>
struct ServedAs<NamespaceProxy> {
  static constexpr std::string_view kType = "Namespace";
  static std::vector<std::uint64_t> tags() { return {}; }
};
template <>
struct ServedAs<LockProxy> {
  static constexpr std::string_view kType = "Lock";
  static std::vector<std::uint64_t> tags() { return {}; }
};
template <>
struct ServedAs<RLockProxy> {
  static constexpr std::string_view kType = "RLock";
  static std::vector<std::uint64_t> tags() { return {}; }
};
template <>
struct ServedAs<ConditionProxy> {
  static constexpr std::string_view kType = "Condition";
  static std::vector<std::uint64_t> tags() { return {}; }
};
// Of one permit.
template <>
struct ServedAs<BoundedSemaphoreProxy> {
  static constexpr std::string_view kType = "BoundedSemaphore";
  static std::vector<std::uint64_t> tags() { return {}; }
};
template <>
struct ServedAs<EventProxy> {
  static constexpr std::string_view kType = "Event";
  static std::vector<std::uint64_t> tags() { return {}; }
};

}  // namespace mp::detail
