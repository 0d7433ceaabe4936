// SPDX-License-Identifier: Apache-2.0
// mp/manager/value_proxy.hpp — single values and arrays of a manager's server.
//
// Threads, Processes, Fork, Crash, Owns, Blocks: as RawProxy. Every call is atomic.
// Throws:    std::out_of_range from ArrayProxy; and as RawProxy.
// Python:    ValueProxy, ArrayProxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "mp/manager/element.hpp"
#include "mp/manager/modifier.hpp"
#include "mp/manager/raw_proxy.hpp"

namespace mp {

template <class T>
class ValueProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.ValueProxy";
  explicit ValueProxy(RawProxy raw) : raw_{std::move(raw)} {
    detail::expect_object(raw_, "Value", {detail::item_tag<T>()});
  }
  T get() const { return raw_.call<T>("get"); }
  void set(const T& value) const { raw_.call("set", value); }
  // Adds, and returns what it is then. T: a number.
  T increment(const T& amount = T{1}) const { return raw_.call<T>("increment", amount); }
  // Has the server change the value by F (modifier.hpp), and returns what it is then.
  template <auto F, class... A>
  T modify(const A&... args) const {
    return raw_.call<T>("modify", detail::modifier_of<F, T>(), args...);
  }
  bool compare_exchange(const T& expected, const T& desired) const {
    return raw_.call<bool>("compare_exchange", expected, desired);
  }
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }

 private:
  RawProxy raw_;
};

template <class T>
class ArrayProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.ArrayProxy";
  explicit ArrayProxy(RawProxy raw) : raw_{std::move(raw)} {
    detail::expect_object(raw_, "Array", {detail::item_tag<T>()});
  }
  // Indices count from the end when negative.
  T at(std::int64_t index) const { return raw_.call<T>("__getitem__", index); }
  void set(std::int64_t index, const T& value) const { raw_.call("__setitem__", index, value); }
  auto operator[](std::int64_t index) const {
    return detail::Element<ArrayProxy, std::int64_t, T>{*this, index};
  }
  [[nodiscard]] std::size_t size() const { return raw_.call<std::uint64_t>("__len__"); }
  [[nodiscard]] std::vector<T> copy() const {
    return detail::reply_values<T>(raw_.call_raw("copy", raw_.encode()));
  }
  [[nodiscard]] auto begin() const { return detail::SnapshotIterator<T>{copy()}; }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }

 private:
  RawProxy raw_;
};

template <class T>
struct codec<ValueProxy<T>> : detail::ProxyCodec<ValueProxy<T>> {
  using Parts = CodecParts<T>;
};
template <class T>
struct codec<ArrayProxy<T>> : detail::ProxyCodec<ArrayProxy<T>> {
  using Parts = CodecParts<T>;
};

}  // namespace mp
