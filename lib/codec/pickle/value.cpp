// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/pickle/value.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "codec/pickle/node.hpp"

namespace mp::pickle {

namespace {

using detail::Access;
using detail::Node;

constexpr std::array<std::string_view, 15> kNames = {
    "NoneType", "bool",  "int",  "float", "int",       "str",    "bytes", "bytearray",
    "list",     "tuple", "dict", "set",   "frozenset", "global", "object"};

constexpr const char* kTooDeep = "a pickle::Value nests too deeply";

Value make_bytes(Kind kind, ByteView bytes) {
  auto* node = new detail::BytesNode;
  Value value = Access::make(kind, node);
  node->bytes.assign(bytes.begin(), bytes.end());
  node->weight += bytes.size();
  node->frozen = true;
  return value;
}

Value make_items(Kind kind, Items&& items) {
  auto* node = new detail::ItemsNode;
  Value value = Access::make(kind, node);
  for (const Value& item : items) {
    MP_EXPECTS(detail::add_part(*node, item), kTooDeep);
  }
  node->items = std::move(items);
  return value;
}

std::string limits_of_int64() {
  return "int that fits into 64 bits";
}

}  // namespace

namespace detail {

bool add_part(Node& whole, const Value& part) noexcept {
  if (Access::has_node(part)) {
    Access::node(part).frozen = true;
  }
  const std::size_t depth = Access::depth(part) + 1;
  if (depth > kMaxDepth) {
    return false;
  }
  whole.depth = std::max(whole.depth, static_cast<std::uint16_t>(depth));
  const std::uint64_t more = Access::weight(part);
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  whole.weight = whole.weight > kMost - more ? kMost : whole.weight + more;
  return true;
}

bool is_utf8(std::string_view text) noexcept {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    const unsigned lead = *at++;
    if (lead < 0x80) {
      continue;
    }
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || end - at < more) {
      return false;
    }
    unsigned code = lead & (0x3fU >> more);
    for (int i = 0; i < more; ++i, ++at) {
      if ((*at & 0xc0U) != 0x80) {
        return false;
      }
      code = code << 6 | (*at & 0x3fU);
    }
    if ((more == 2 && code < 0x800) || (more == 3 && (code < 0x10000 || code > 0x10ffff))) {
      return false;
    }
  }
  return true;
}

Value make_integer(ByteView bytes) {
  const auto sign_of = [](std::byte top) { return (top & std::byte{0x80}) != std::byte{0}; };
  while (bytes.size() > 1) {
    const bool negative = sign_of(bytes[bytes.size() - 2]);
    if (bytes.back() != (negative ? std::byte{0xff} : std::byte{0})) {
      break;
    }
    bytes = bytes.first(bytes.size() - 1);
  }
  if (bytes.size() > sizeof(std::int64_t)) {
    return make_bytes(Kind::big_integer, bytes);
  }
  std::uint64_t word = !bytes.empty() && sign_of(bytes.back()) ? ~std::uint64_t{0} : 0;
  copy_bytes(&word, bytes.data(), bytes.size());
  return static_cast<std::int64_t>(word);
}

void throw_mismatch(std::string_view expected, const Value& received) {
  std::string what{name_of(received.kind())};
  if (received.kind() == Kind::object || received.kind() == Kind::global) {
    what += " " + received.repr(100);
  } else if (received.kind() <= Kind::real) {
    what += " (" + received.repr(100) + ")";
  }
  throw TypeMismatch{expected, "Python's " + what};
}

}  // namespace detail

std::string_view name_of(Kind kind) noexcept {
  return kNames.at(static_cast<std::size_t>(kind));
}

Value::Value(std::string text) : Value{} {
  if (!detail::is_utf8(text)) {
    *this = bytes(std::as_bytes(std::span{text}));
    return;
  }
  auto* node = new detail::StringNode;
  node->weight += text.size();
  node->frozen = true;
  node->text = std::move(text);
  kind_ = Kind::string;
  as_.node = node;
}

Value Value::from_unsigned(std::uint64_t value) {
  std::array<std::byte, 9> bytes{};
  copy_bytes(bytes.data(), &value, sizeof(value));
  return detail::make_integer(bytes);
}

Value Value::bytes(ByteView bytes) {
  return make_bytes(Kind::bytes, bytes);
}

Value Value::byte_array(ByteView bytes) {
  return make_bytes(Kind::byte_array, bytes);
}

Value Value::integer(ByteView bytes) {
  return detail::make_integer(bytes);
}

Value Value::list(Items items) {
  return make_items(Kind::list, std::move(items));
}

Value Value::tuple(Items items) {
  return make_items(Kind::tuple, std::move(items));
}

Value Value::set(Items items) {
  return make_items(Kind::set, std::move(items));
}

Value Value::frozen_set(Items items) {
  return make_items(Kind::frozen_set, std::move(items));
}

Value Value::dict(Pairs pairs) {
  auto* node = new detail::PairsNode;
  Value value = Access::make(Kind::dict, node);
  for (const auto& [key, item] : pairs) {
    MP_EXPECTS(detail::add_part(*node, key) && detail::add_part(*node, item), kTooDeep);
  }
  node->pairs = std::move(pairs);
  return value;
}

Value Value::global(std::string_view module, std::string_view name) {
  MP_EXPECTS(detail::is_utf8(module) && detail::is_utf8(name), "a Python name is UTF-8");
  auto* node = new detail::GlobalNode;
  Value value = Access::make(Kind::global, node);
  node->global.module = module;
  node->global.name = name;
  node->weight += module.size() + name.size();
  return value;
}

Value Value::object(Object object) {
  auto* node = new detail::ObjectNode;
  Value value = Access::make(Kind::object, node);
  MP_EXPECTS(object.args.kind() == Kind::tuple, "the arguments of a Python object are a tuple");
  MP_EXPECTS(object.kwargs.is_none() || object.kwargs.kind() == Kind::dict,
             "the keywords of a Python object are a dict");
  for (const Value* part : {&object.type, &object.args, &object.kwargs, &object.state}) {
    MP_EXPECTS(detail::add_part(*node, *part), kTooDeep);
  }
  for (const Value& item : object.items) {
    MP_EXPECTS(detail::add_part(*node, item), kTooDeep);
  }
  for (const auto& [key, item] : object.pairs) {
    MP_EXPECTS(detail::add_part(*node, key) && detail::add_part(*node, item), kTooDeep);
  }
  node->object = std::move(object);
  return value;
}

Value Value::object(std::string_view module, std::string_view name, Items args) {
  return object(Object{.type = global(module, name), .args = tuple(std::move(args))});
}

void Value::retain() const noexcept {
  // Relaxed: who has a reference may hand out another without ordering anything.
  as_.node->references.fetch_add(1, std::memory_order_relaxed);
}

void Value::release() noexcept {
  // The last one to let go sees what the others did with the node before.
  if (as_.node->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  switch (kind_) {
    case Kind::string:
      delete &Access::node<detail::StringNode>(*this);
      break;
    case Kind::big_integer:
    case Kind::bytes:
    case Kind::byte_array:
      delete &Access::node<detail::BytesNode>(*this);
      break;
    case Kind::list:
    case Kind::tuple:
    case Kind::set:
    case Kind::frozen_set:
      delete &Access::node<detail::ItemsNode>(*this);
      break;
    case Kind::dict:
      delete &Access::node<detail::PairsNode>(*this);
      break;
    case Kind::global:
      delete &Access::node<detail::GlobalNode>(*this);
      break;
    case Kind::object:
      delete &Access::node<detail::ObjectNode>(*this);
      break;
    case Kind::none:
    case Kind::boolean:
    case Kind::integer:
    case Kind::real:
      break;
  }
}

void Value::require(Kind kind, std::string_view expected) const {
  if (kind_ != kind) [[unlikely]] {
    detail::throw_mismatch(expected, *this);
  }
}

bool Value::as_bool() const {
  require(Kind::boolean, "bool");
  return as_.integer != 0;
}

std::int64_t Value::as_int() const {
  if (kind_ != Kind::integer && kind_ != Kind::boolean) [[unlikely]] {
    detail::throw_mismatch(limits_of_int64(), *this);
  }
  return as_.integer;
}

double Value::as_real() const {
  if (kind_ == Kind::real) {
    return as_.real;
  }
  if (kind_ == Kind::big_integer) {
    const ByteView bytes = as_bytes();
    double number = static_cast<signed char>(bytes.back());
    for (std::size_t i = bytes.size() - 1; i-- > 0;) {
      number = number * 256 + static_cast<double>(bytes[i]);
    }
    return number;
  }
  if (kind_ != Kind::integer && kind_ != Kind::boolean) [[unlikely]] {
    detail::throw_mismatch("float", *this);
  }
  return static_cast<double>(as_.integer);
}

const std::string& Value::as_string() const {
  require(Kind::string, "str");
  return Access::node<detail::StringNode>(*this).text;
}

ByteView Value::as_bytes() const {
  if (kind_ != Kind::bytes && kind_ != Kind::byte_array && kind_ != Kind::big_integer)
      [[unlikely]] {
    detail::throw_mismatch("bytes", *this);
  }
  return Access::node<detail::BytesNode>(*this).bytes;
}

const Items& Value::items() const {
  if (kind_ != Kind::list && kind_ != Kind::tuple && kind_ != Kind::set &&
      kind_ != Kind::frozen_set) [[unlikely]] {
    detail::throw_mismatch("list, tuple or set", *this);
  }
  return Access::node<detail::ItemsNode>(*this).items;
}

const Pairs& Value::pairs() const {
  require(Kind::dict, "dict");
  return Access::node<detail::PairsNode>(*this).pairs;
}

const Global& Value::as_global() const {
  require(Kind::global, "global name");
  return Access::node<detail::GlobalNode>(*this).global;
}

const Object& Value::as_object() const {
  require(Kind::object, "object");
  return Access::node<detail::ObjectNode>(*this).object;
}

const Value* Value::find(const Value& key) const {
  const Pairs& all = pairs();
  // From the end: of two equal keys Python keeps the later value.
  for (std::size_t i = all.size(); i-- > 0;) {
    if (all[i].first == key) {
      return &all[i].second;
    }
  }
  return nullptr;
}

std::size_t Value::depth() const noexcept {
  return Access::depth(*this);
}

std::uint64_t Value::weight() const noexcept {
  return Access::weight(*this);
}

bool Object::is(std::string_view module, std::string_view name) const noexcept {
  if (type.kind() != Kind::global) {
    return false;
  }
  const Global& global = Access::node<detail::GlobalNode>(type).global;
  return global.module == module && global.name == name;
}

}  // namespace mp::pickle
