// SPDX-License-Identifier: Apache-2.0
// Equality and hash as Python has them, but that everything has a hash: what is equal hashes alike,
// numbers whatever their type, sets and dicts whatever their order.
#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "mp/codec/pickle/value.hpp"

#include "codec/pickle/node.hpp"

namespace mp::pickle {

namespace {

bool is_number(Kind kind) noexcept {
  return kind <= Kind::big_integer && kind != Kind::none;
}

bool is_set(Kind kind) noexcept {
  return kind == Kind::set || kind == Kind::frozen_set;
}

bool is_bytes(Kind kind) noexcept {
  return kind == Kind::bytes || kind == Kind::byte_array;
}

bool same_bytes(ByteView a, ByteView b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

bool is_int64(Kind kind) noexcept {
  return kind == Kind::boolean || kind == Kind::integer;
}

bool same_number(const Value& a, const Value& b) {
  if (is_int64(a.kind()) && is_int64(b.kind())) {
    return a.as_int() == b.as_int();
  }
  if (a.kind() == Kind::big_integer && b.kind() == Kind::big_integer) {
    return same_bytes(a.as_bytes(), b.as_bytes());
  }
  if (a.kind() == Kind::big_integer || b.kind() == Kind::big_integer) {
    return !is_int64(a.kind()) && !is_int64(b.kind()) && a.as_real() == b.as_real();
  }
  return a.as_real() == b.as_real();
}

constexpr std::size_t kFew = 8;

// Each looks at every pair of parts at most once, or comparing would take twice as long with every
// level. Elements that come twice, which no honest set or dict has, count as they come.
bool same_set(const Items& a, const Items& b) {
  if (a.size() != b.size()) {
    return false;
  }
  if (a.size() <= kFew) {
    return std::all_of(a.begin(), a.end(), [&b](const Value& item) {
      return std::find(b.begin(), b.end(), item) != b.end();
    });
  }
  const std::unordered_set<Value> all(b.begin(), b.end());
  return std::all_of(a.begin(), a.end(), [&all](const Value& item) { return all.contains(item); });
}

bool same_dict(const Pairs& a, const Pairs& b) {
  if (a.size() != b.size()) {
    return false;
  }
  std::unordered_map<Value, const Value*> index;
  if (b.size() > kFew) {
    for (const auto& [key, value] : b) {
      index.emplace(key, &value);
    }
  }
  return std::all_of(a.begin(), a.end(), [&](const auto& pair) {
    if (b.size() > kFew) {
      const auto found = index.find(pair.first);
      return found != index.end() && *found->second == pair.second;
    }
    const auto found = std::find_if(
        b.begin(), b.end(), [&pair](const auto& other) { return other.first == pair.first; });
    return found != b.end() && found->second == pair.second;
  });
}

bool same_object(const Object& a, const Object& b) {
  return a.type == b.type && a.args == b.args && a.kwargs == b.kwargs && a.state == b.state &&
         a.items == b.items && a.pairs == b.pairs && a.by == b.by;
}

std::size_t mix(std::size_t seed, std::size_t hash) noexcept {
  return (seed ^ hash) * 0x9e3779b97f4a7c15U + (seed >> 7U);
}

std::size_t hash_of_number(const Value& value) {
  if (is_int64(value.kind())) {
    return std::hash<std::int64_t>{}(value.as_int());
  }
  const double number = value.as_real();
  constexpr double kLimit = 9.2e18;
  if (std::abs(number) < kLimit && number == std::floor(number)) {
    return std::hash<std::int64_t>{}(static_cast<std::int64_t>(number));
  }
  return std::hash<double>{}(number);
}

}  // namespace

bool operator==(const Value& a, const Value& b) {
  if (is_number(a.kind()) && is_number(b.kind())) {
    return same_number(a, b);
  }
  if (is_set(a.kind()) && is_set(b.kind())) {
    return same_set(a.items(), b.items());
  }
  if (is_bytes(a.kind()) && is_bytes(b.kind())) {
    return same_bytes(a.as_bytes(), b.as_bytes());
  }
  if (a.kind() != b.kind()) {
    return false;
  }
  if (a.has_node() && a.as_.node == b.as_.node) {
    return true;
  }
  switch (a.kind()) {
    case Kind::string:
      return a.as_string() == b.as_string();
    case Kind::list:
    case Kind::tuple:
      return a.items() == b.items();
    case Kind::dict:
      return same_dict(a.pairs(), b.pairs());
    case Kind::global:
      return a.as_global() == b.as_global();
    case Kind::object:
      return same_object(a.as_object(), b.as_object());
    default:
      return true;  // None
  }
}

std::size_t Value::hash() const {
  if (is_number(kind_)) {
    return hash_of_number(*this);
  }
  std::size_t sum = 0x51ed270b;
  switch (kind_) {
    case Kind::string:
      return std::hash<std::string>{}(as_string());
    case Kind::bytes:
    case Kind::byte_array: {
      const ByteView bytes = as_bytes();
      return std::hash<std::string_view>{}(
          {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    case Kind::list:
    case Kind::tuple:
      for (const Value& item : items()) {
        sum = mix(sum, item.hash());
      }
      return sum;
    case Kind::set:
    case Kind::frozen_set:
      for (const Value& item : items()) {
        sum += mix(0, item.hash());
      }
      return sum;
    case Kind::dict:
      return mix(sum, pairs().size());
    case Kind::global:
      return std::hash<std::string>{}(as_global().name);
    case Kind::object:
      return mix(as_object().type.hash(), as_object().args.hash());
    default:
      return sum;  // None
  }
}

bool Value::truthy() const noexcept {
  switch (kind_) {
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return as_.integer != 0;
    case Kind::real:
      return as_.real != 0;
    case Kind::string:
      return !as_string().empty();
    case Kind::bytes:
    case Kind::byte_array:
      return !as_bytes().empty();
    case Kind::list:
    case Kind::tuple:
    case Kind::set:
    case Kind::frozen_set:
      return !items().empty();
    case Kind::dict:
      return !pairs().empty();
    default:
      return true;
  }
}

}  // namespace mp::pickle
