// SPDX-License-Identifier: Apache-2.0
// mp/manager/dict_proxy.hpp — dicts of a manager's server.
//
// Threads, Processes, Fork, Crash, Owns, Blocks: as RawProxy. Every call is atomic.
// Throws:    std::out_of_range for a key or index that is not there; std::invalid_argument; and as
//            RawProxy.
// Python:    DictProxy; increment, compare_exchange and get_many are more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "mp/manager/element.hpp"
#include "mp/manager/modifier.hpp"
#include "mp/manager/raw_proxy.hpp"

namespace mp {

template <class K, class V>
class DictProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.DictProxy";
  using key_type = K;
  using mapped_type = V;
  using value_type = std::pair<K, V>;

  explicit DictProxy(RawProxy raw) : raw_{std::move(raw)} {
    detail::expect_object(raw_, "dict", {detail::item_tag<K>(), detail::item_tag<V>()});
  }

  V at(const K& key) const { return raw_.call<V>("__getitem__", key); }
  [[nodiscard]] std::optional<V> find(const K& key) const {
    return raw_.call<std::optional<V>>("get", key);
  }
  V get(const K& key, const V& otherwise) const { return raw_.call<V>("get", key, otherwise); }
  // Reads when converted to V, writes when assigned to; nothing is inserted before that.
  auto operator[](const K& key) const { return detail::Element<DictProxy, K, V>{*this, key}; }
  void set(const K& key, const V& value) const { raw_.call("__setitem__", key, value); }
  [[nodiscard]] bool contains(const K& key) const { return raw_.call<bool>("__contains__", key); }
  [[nodiscard]] std::size_t size() const { return raw_.call<std::uint64_t>("__len__"); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  void erase(const K& key) const { raw_.call("__delitem__", key); }
  V pop(const K& key) const { return raw_.call<V>("pop", key); }
  V pop(const K& key, const V& otherwise) const { return raw_.call<V>("pop", key, otherwise); }
  // The entry that came last.
  value_type popitem() const {
    detail::Reply reply = raw_.call_raw("popitem", raw_.encode());
    return {reply.get<K>(0), reply.get<V>(1)};
  }
  V setdefault(const K& key, const V& value) const {
    return raw_.call<V>("setdefault", key, value);
  }
  void clear() const { raw_.call("clear"); }

  // Sets every entry of a range of pairs: all of them, or none.
  template <class Range>
  void update(const Range& entries) const {
    detail::Arguments args = raw_.encode();
    for (const auto& [key, value] : entries) {
      args.add(static_cast<const K&>(key));
      args.add(static_cast<const V&>(value));
    }
    (void)raw_.call_raw("update", args);
  }
  // The values of those keys of a range that are there, each with its key.
  template <class Range>
  [[nodiscard]] std::vector<value_type> get_many(const Range& keys) const {
    detail::Arguments args = raw_.encode();
    std::vector<K> asked;
    for (const K& key : keys) {
      args.add(key);
      asked.push_back(key);
    }
    detail::Reply reply = raw_.call_raw("get_many", args);
    std::vector<value_type> found;
    for (std::size_t i = 0; i + 1 < reply.size(); i += 2) {
      found.emplace_back(asked.at(reply.get<std::uint64_t>(i)), reply.get<V>(i + 1));
    }
    return found;
  }
  // The entries in the order in which their keys came.
  [[nodiscard]] std::vector<value_type> items() const {
    detail::Reply reply = raw_.call_raw("items", raw_.encode());
    std::vector<value_type> all;
    all.reserve(reply.size() / 2);
    for (std::size_t i = 0; i + 1 < reply.size(); i += 2) {
      all.emplace_back(reply.get<K>(i), reply.get<V>(i + 1));
    }
    return all;
  }
  [[nodiscard]] std::vector<value_type> copy() const { return items(); }
  [[nodiscard]] std::vector<K> keys() const {
    return detail::reply_values<K>(raw_.call_raw("keys", raw_.encode()));
  }
  [[nodiscard]] std::vector<V> values() const {
    return detail::reply_values<V>(raw_.call_raw("values", raw_.encode()));
  }
  [[nodiscard]] auto begin() const { return detail::SnapshotIterator<value_type>{items()}; }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  // Adds to the value, or sets it where there is none, and returns what it is then. V: a number.
  V increment(const K& key, const V& amount = V{1}) const {
    return raw_.call<V>("increment", key, amount);
  }
  // Has the server change the value that is there by F (modifier.hpp), and returns what it is then.
  template <auto F, class... A>
  V modify(const K& key, const A&... args) const {
    return raw_.call<V>("modify", key, detail::modifier_of<F, V>(), args...);
  }
  // Sets the value if it is `expected`; returns whether it was.
  bool compare_exchange(const K& key, const V& expected, const V& desired) const {
    return raw_.call<bool>("compare_exchange", key, expected, desired);
  }

  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }
  friend bool operator==(const DictProxy&, const DictProxy&) = default;

 private:
  RawProxy raw_;
};

template <class K, class V>
struct codec<DictProxy<K, V>> : detail::ProxyCodec<DictProxy<K, V>> {
  using Parts = CodecParts<K, V>;
};

}  // namespace mp
