// SPDX-License-Identifier: Apache-2.0
// mp/manager/list_proxy.hpp — lists and sets of a manager's server.
//
// Threads, Processes, Fork, Crash, Owns, Blocks: as RawProxy. Every call is atomic.
// Throws:    std::out_of_range for a key or index that is not there; std::invalid_argument; and as
//            RawProxy.
// Python:    ListProxy, and SetProxy of 3.14.
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
  // Has the server change the value that is there by F (modifier.hpp), and returns what it is then.
  template <auto F, class... A>
  T modify(std::int64_t index, const A&... args) const {
    return raw_.call<T>("modify", index, detail::modifier_of<F, T>(), args...);
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

template <class T>
struct codec<ListProxy<T>> : detail::ProxyCodec<ListProxy<T>> {
  using Parts = CodecParts<T>;
};
template <class T>
struct codec<SetProxy<T>> : detail::ProxyCodec<SetProxy<T>> {
  using Parts = CodecParts<T>;
};

}  // namespace mp
