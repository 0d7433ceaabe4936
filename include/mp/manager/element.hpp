// SPDX-License-Identifier: Apache-2.0
// mp/manager/element.hpp — what the containers of a server have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "mp/base/export.hpp"
#include "mp/manager/raw_proxy.hpp"

namespace mp::detail {

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

}  // namespace mp::detail
