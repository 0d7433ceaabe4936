// SPDX-License-Identifier: Apache-2.0
// mp/manager/namespace_proxy.hpp — attributes that a manager's server holds, each of its own type.
//
// Threads, Processes, Fork, Crash, Owns, Blocks: as RawProxy. Every call is atomic.
// Throws:    std::out_of_range for a key or index that is not there; std::invalid_argument; and as
//            RawProxy.
// Python:    NamespaceProxy.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "mp/codec/types/string.hpp"
#include "mp/manager/raw_proxy.hpp"

namespace mp {

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

template <>
struct codec<NamespaceProxy> : detail::ProxyCodec<NamespaceProxy> {};

}  // namespace mp
