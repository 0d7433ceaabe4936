// SPDX-License-Identifier: Apache-2.0
// mp/manager/containers.hpp — dicts, lists, sets and namespaces of a manager's server.
//
//     mp::Manager manager;
//     auto ages = manager.dict<std::string, int>();
//     ages.set("Ada", 36);
//     ages.increment("Ada", 1);                      // in the server: nobody comes in between
//     for (auto& [name, age] : ages.items()) ...     // one round trip for all
//
// Every call is one round trip, and atomic: calls of several clients happen one after the other. A
// whole container goes in one: update, extend, get_many, items, copy. What a range-for runs over is
// a copy of that moment.
//
// Values are copied, in and out. A proxy as a value is a reference to the same object, which then
// lives as long as the container has it.
//
// Threads, Processes, Fork, Crash, Owns, Blocks: as RawProxy.
// Throws:    std::out_of_range for a key or index that is not there; std::invalid_argument; and as
//            RawProxy.
// Python:    DictProxy, ListProxy, NamespaceProxy; increment, compare_exchange, get_many are more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mp/codec/types/string.hpp"
#include "mp/manager/raw_proxy.hpp"

namespace mp {

namespace detail {

[[noreturn]] MP_API void throw_not_in_set();

// What is returned for `proxy[index]`: reads, writes, and stands for the value.
template <class Container, class Key, class T>
class Element {
 public:
  Element(Container container, Key key) : container_{std::move(container)}, key_{std::move(key)} {}
  T get() const { return container_.at(key_); }
  operator T() const { return get(); }  // NOLINT(google-explicit-constructor): as the value itself
  const Element& operator=(const T& value) const {
    container_.set(key_, value);
    return *this;
  }
  Element& operator=(const Element& other) {
    container_.set(key_, other.get());
    return *this;
  }
  Element(const Element&) = default;
  const Element& operator+=(const T& amount) const {
    container_.increment(key_, amount);
    return *this;
  }

 private:
  Container container_;
  Key key_;
};

template <class T>
std::vector<T> reply_values(Reply&& reply) {
  std::vector<T> values;
  values.reserve(reply.size());
  for (std::size_t i = 0; i != reply.size(); ++i) {
    values.push_back(reply.get<T>(i));
  }
  return values;
}

// An iterator that owns the copy that it runs over.
template <class T>
class SnapshotIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = const T*;
  using reference = const T&;

  SnapshotIterator() = default;
  explicit SnapshotIterator(std::vector<T> values)
      : values_{std::make_shared<const std::vector<T>>(std::move(values))} {}
  reference operator*() const { return (*values_)[position_]; }
  pointer operator->() const { return &(*values_)[position_]; }
  SnapshotIterator& operator++() {
    ++position_;
    return *this;
  }
  SnapshotIterator operator++(int) {
    SnapshotIterator before = *this;
    ++position_;
    return before;
  }
  friend bool operator==(const SnapshotIterator& a, std::default_sentinel_t) {
    return !a.values_ || a.position_ == a.values_->size();
  }
  friend bool operator==(const SnapshotIterator&, const SnapshotIterator&) = default;

 private:
  std::shared_ptr<const std::vector<T>> values_;
  std::size_t position_ = 0;
};

}  // namespace detail

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
  // Sets the value if it is `expected`; returns whether it was.
  bool compare_exchange(const K& key, const V& expected, const V& desired) const {
    return raw_.call<bool>("compare_exchange", key, expected, desired);
  }

  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }
  friend bool operator==(const DictProxy&, const DictProxy&) = default;

 private:
  RawProxy raw_;
};

template <class T>
class ListProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.ListProxy";
  using value_type = T;

  explicit ListProxy(RawProxy raw) : raw_{std::move(raw)} {
    detail::expect_object(raw_, "list", {detail::item_tag<T>()});
  }

  // Indices count from the end when negative.
  T at(std::int64_t index) const { return raw_.call<T>("__getitem__", index); }
  // Reads when converted to T or by get(), writes when assigned to.
  auto operator[](std::int64_t index) const {
    return detail::Element<ListProxy, std::int64_t, T>{*this, index};
  }
  void set(std::int64_t index, const T& value) const { raw_.call("__setitem__", index, value); }
  [[nodiscard]] std::size_t size() const { return raw_.call<std::uint64_t>("__len__"); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  void append(const T& value) const { raw_.call("append", value); }
  void push_back(const T& value) const { append(value); }
  template <class Range>
  void extend(const Range& values) const {
    detail::Arguments args = raw_.encode();
    for (const T& value : values) {
      args.add(value);
    }
    (void)raw_.call_raw("extend", args);
  }
  void insert(std::int64_t index, const T& value) const { raw_.call("insert", index, value); }
  T pop() const { return raw_.call<T>("pop"); }
  T pop(std::int64_t index) const { return raw_.call<T>("pop", index); }
  void erase(std::int64_t index) const { raw_.call("__delitem__", index); }
  // Removes the first value that is equal, byte for byte as it travels.
  void remove(const T& value) const { raw_.call("remove", value); }
  [[nodiscard]] bool contains(const T& value) const {
    return raw_.call<bool>("__contains__", value);
  }
  [[nodiscard]] std::size_t index(const T& value) const {
    return raw_.call<std::uint64_t>("index", value);
  }
  [[nodiscard]] std::size_t count(const T& value) const {
    return raw_.call<std::uint64_t>("count", value);
  }
  void reverse() const { raw_.call("reverse"); }
  // Sorts by <, in the server. Throws UsageError when the program that serves does not know T.
  void sort(bool reverse = false) const { raw_.call("sort", reverse); }
  void clear() const { raw_.call("clear"); }
  [[nodiscard]] std::vector<T> copy() const {
    return detail::reply_values<T>(raw_.call_raw("copy", raw_.encode()));
  }
  // The values from `from` up to and without `to`, as far as there are such.
  [[nodiscard]] std::vector<T> slice(std::int64_t from, std::int64_t to) const {
    return detail::reply_values<T>(raw_.call_raw("slice", raw_.encode(from, to)));
  }
  [[nodiscard]] auto begin() const { return detail::SnapshotIterator<T>{copy()}; }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
  T increment(std::int64_t index, const T& amount = T{1}) const {
    return raw_.call<T>("increment", index, amount);
  }

  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }
  friend bool operator==(const ListProxy&, const ListProxy&) = default;

 private:
  RawProxy raw_;
};

template <class T>
class SetProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.SetProxy";
  using value_type = T;

  explicit SetProxy(RawProxy raw) : raw_{std::move(raw)} {
    detail::expect_object(raw_, "set", {detail::item_tag<T>()});
  }

  // Returns whether the value is new.
  bool add(const T& value) const { return raw_.call<bool>("add", value); }
  // Returns whether the value was there.
  bool discard(const T& value) const { return raw_.call<bool>("discard", value); }
  // Throws std::out_of_range when the value is not there.
  void remove(const T& value) const {
    if (!discard(value)) {
      detail::throw_not_in_set();
    }
  }
  [[nodiscard]] bool contains(const T& value) const {
    return raw_.call<bool>("__contains__", value);
  }
  [[nodiscard]] std::size_t size() const { return raw_.call<std::uint64_t>("__len__"); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  template <class Range>
  void update(const Range& values) const {
    detail::Arguments args = raw_.encode();
    for (const T& value : values) {
      args.add(value);
    }
    (void)raw_.call_raw("update", args);
  }
  T pop() const { return raw_.call<T>("pop"); }
  void clear() const { raw_.call("clear"); }
  [[nodiscard]] std::vector<T> copy() const {
    return detail::reply_values<T>(raw_.call_raw("copy", raw_.encode()));
  }
  [[nodiscard]] auto begin() const { return detail::SnapshotIterator<T>{copy()}; }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }
  friend bool operator==(const SetProxy&, const SetProxy&) = default;

 private:
  RawProxy raw_;
};

// Attributes, each of a type of its own.
class NamespaceProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.NamespaceProxy";

  explicit NamespaceProxy(RawProxy raw) : raw_{std::move(raw)} {
    detail::expect_object(raw_, "Namespace", {});
  }

  // Throws std::out_of_range when there is no such attribute, TypeMismatch when it is no T.
  template <class T>
  T get(const std::string& name) const {
    return raw_.call<T>("__getattribute__", name);
  }
  template <class T>
  void set(const std::string& name, const T& value) const {
    raw_.call("__setattr__", name, value);
  }
  void erase(const std::string& name) const { raw_.call("__delattr__", name); }
  [[nodiscard]] bool contains(const std::string& name) const {
    return raw_.call<bool>("__contains__", name);
  }
  template <class T>
  T increment(const std::string& name, const T& amount) const {
    return raw_.call<T>("increment", name, amount);
  }

  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }
  friend bool operator==(const NamespaceProxy&, const NamespaceProxy&) = default;

 private:
  RawProxy raw_;
};

template <class K, class V>
struct codec<DictProxy<K, V>> : detail::ProxyCodec<DictProxy<K, V>> {
  using Parts = CodecParts<K, V>;
};
template <class T>
struct codec<ListProxy<T>> : detail::ProxyCodec<ListProxy<T>> {
  using Parts = CodecParts<T>;
};
template <class T>
struct codec<SetProxy<T>> : detail::ProxyCodec<SetProxy<T>> {
  using Parts = CodecParts<T>;
};
template <>
struct codec<NamespaceProxy> : detail::ProxyCodec<NamespaceProxy> {};

}  // namespace mp
