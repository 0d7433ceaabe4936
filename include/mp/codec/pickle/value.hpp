// SPDX-License-Identifier: Apache-2.0
// mp/codec/pickle/value.hpp — a Python value: what a pickle holds, as data and nothing else.
//
// A Value is None, a bool, an int of any length, a float, str, bytes, bytearray, list, tuple, dict,
// set, frozenset, the name of something global, or an Object: what a pickle says about a value of
// any other class. An Object is kept as it came and never acted on; written again, it is the same.
//
//     using mp::pickle::Value;
//     Value request = Value::tuple({nullptr, "create", Value::tuple({"dict"}), Value::dict({})});
//     request.items()[1].as_string();  // "create"
//
// A Value does not change once it is made, so copies share what is inside. It nests at most
// kMaxDepth levels, so that no walk through it needs more than a little stack, and it cannot
// contain itself. Comparison and hash are Python's: 1 == 1.0 == True, and a set has no order.
//
// Threads:   any number may read one Value, and copy it; a copy is of its own.
// Owns:      its part of a tree of counted nodes.
// Throws:    TypeMismatch: an accessor for another kind. UsageError: nested too deeply. bad_alloc.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"

namespace mp::pickle {

enum class Kind : std::uint8_t {
  none,
  boolean,
  integer,
  real,
  big_integer,  // an int that no int64_t holds
  string,
  bytes,
  byte_array,
  list,
  tuple,
  dict,
  set,
  frozen_set,
  global,
  object,
};

// What Python calls the type: "int", "NoneType", ...
[[nodiscard]] MP_API std::string_view name_of(Kind kind) noexcept;

// How deep a Value may nest.
inline constexpr std::size_t kMaxDepth = 200;

class Value;
struct Object;
using Items = std::vector<Value>;
using Pairs = std::vector<std::pair<Value, Value>>;

// Something that Python finds by import: a class, a function.
struct Global {
  std::string module;
  std::string name;
  friend bool operator==(const Global&, const Global&) = default;
};

namespace detail {

struct Node;
struct Access;

}  // namespace detail

class MP_API Value {
 public:
  Value() noexcept : kind_{Kind::none}, as_{.integer = 0} {}
  Value(std::nullptr_t) noexcept : Value{} {}
  template <std::same_as<bool> B>
  Value(B value) noexcept : kind_{Kind::boolean}, as_{.integer = value} {}
  template <std::integral I>
  requires(!std::same_as<I, bool>) Value(I value)
      : kind_{Kind::integer}, as_{.integer = static_cast<std::int64_t>(value)} {
    if constexpr (std::is_unsigned_v<I>) {
      if (as_.integer < 0) {
        *this = from_unsigned(value);
      }
    }
  }
  Value(double value) noexcept : kind_{Kind::real}, as_{.real = value} {}
  // A str. Bytes that are no UTF-8 become bytes.
  Value(std::string text);
  Value(std::string_view text) : Value{std::string{text}} {}
  Value(const char* text) : Value{std::string{text}} {}

  static Value bytes(ByteView bytes);
  static Value byte_array(ByteView bytes);
  // An int of any length, as two's complement, the lowest byte first.
  static Value integer(ByteView bytes);
  static Value list(Items items);
  static Value tuple(Items items);
  static Value set(Items items);
  static Value frozen_set(Items items);
  static Value dict(Pairs pairs);
  static Value global(std::string_view module, std::string_view name);
  static Value object(Object object);
  // What `module.name(*args)` would make.
  static Value object(std::string_view module, std::string_view name, Items args);

  Value(const Value& other) noexcept : kind_{other.kind_}, as_{other.as_} {
    if (has_node()) {
      retain();
    }
  }
  Value(Value&& other) noexcept : kind_{other.kind_}, as_{other.as_} { other.kind_ = Kind::none; }
  Value& operator=(Value other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(as_, other.as_);
    return *this;
  }
  ~Value() {
    if (has_node()) {
      release();
    }
  }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is_none() const noexcept { return kind_ == Kind::none; }

  [[nodiscard]] bool as_bool() const;
  // An int that an int64_t holds; a bool is one, too.
  [[nodiscard]] std::int64_t as_int() const;
  // A float or an int.
  [[nodiscard]] double as_real() const;
  [[nodiscard]] const std::string& as_string() const;
  // Of bytes, a bytearray, or an int that is too long for as_int.
  [[nodiscard]] ByteView as_bytes() const;
  // Of a list, tuple, set or frozenset.
  [[nodiscard]] const Items& items() const;
  // Of a dict, in its order.
  [[nodiscard]] const Pairs& pairs() const;
  [[nodiscard]] const Global& as_global() const;
  [[nodiscard]] const Object& as_object() const;
  // The value at `key` of a dict, or nothing.
  [[nodiscard]] const Value* find(const Value& key) const;

  // How deep it nests: 0 for what has no parts.
  [[nodiscard]] std::size_t depth() const noexcept;
  // About how many bytes it would take if nothing in it were shared.
  [[nodiscard]] std::uint64_t weight() const noexcept;
  // What Python's repr() shows, or nearly; cut, with "...", after about `limit` characters.
  [[nodiscard]] std::string repr(std::size_t limit = std::size_t{1} << 20) const;
  // What Python's str() shows.
  [[nodiscard]] std::string str() const;
  // Python's bool().
  [[nodiscard]] bool truthy() const noexcept;
  [[nodiscard]] std::size_t hash() const;

  friend MP_API bool operator==(const Value& a, const Value& b);

 private:
  friend struct detail::Access;
  union Word {
    std::int64_t integer;
    double real;
    detail::Node* node;
  };
  Value(Kind kind, detail::Node* node) noexcept : kind_{kind}, as_{.node = node} {}
  static Value from_unsigned(std::uint64_t value);
  [[nodiscard]] bool has_node() const noexcept { return kind_ > Kind::real; }
  void retain() const noexcept;
  void release() noexcept;
  void require(Kind kind, std::string_view expected) const;

  Kind kind_;
  Word as_;
};

// What a pickle tells of a value whose class has no kind of its own: how Python would make it.
struct Object {
  enum class By : std::uint8_t {
    call,   // type(*args)
    alloc,  // type.__new__(type, *args, **kwargs)
  };
  Value type;  // a Global as a rule
  Value args = Value::tuple({});
  Value kwargs = {};  // None or a dict
  Value state = {};   // what __setstate__ or __dict__ would get
  Items items = {};   // what would be appended
  Pairs pairs = {};   // what would be set by key
  By by = By::call;

  // Whether the type is this Global.
  [[nodiscard]] MP_API bool is(std::string_view module, std::string_view name) const noexcept;
};

namespace detail {

// Throws TypeMismatch.
[[noreturn]] MP_API void throw_mismatch(std::string_view expected, const Value& received);

}  // namespace detail

}  // namespace mp::pickle

template <>
struct std::hash<mp::pickle::Value> {
  std::size_t operator()(const mp::pickle::Value& value) const { return value.hash(); }
};
