// SPDX-License-Identifier: Apache-2.0
// Protocol 4 without frames and without a memo: both are only ever a saving.
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "mp/codec/pickle.hpp"

#include "codec/pickle/opcodes.hpp"

namespace mp::pickle {

namespace {

constexpr int kProtocol = 4;

class Encoder {
 public:
  Bytes finish(const Value& value) && {
    op(Op::proto);
    out_.push_back(std::byte{kProtocol});
    put(value);
    op(Op::stop);
    return std::move(out_);
  }

 private:
  void op(Op code) { out_.push_back(static_cast<std::byte>(code)); }
  template <class N>
  void number(N value) {
    const auto bytes = std::bit_cast<std::array<std::byte, sizeof(N)>>(value);
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  void raw(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

  void put_integer(std::int64_t value) {
    if (std::in_range<std::uint8_t>(value)) {
      op(Op::binint1);
      number(static_cast<std::uint8_t>(value));
    } else if (std::in_range<std::int32_t>(value)) {
      op(Op::binint);
      number(static_cast<std::int32_t>(value));
    } else {
      op(Op::long1);
      number(static_cast<std::uint8_t>(sizeof(value)));
      number(value);
    }
  }

  // The opcodes for a size of 1, 4 and 8 bytes.
  void put_sized(Op one, Op four, Op eight, ByteView bytes) {
    if (std::in_range<std::uint8_t>(bytes.size())) {
      op(one);
      number(static_cast<std::uint8_t>(bytes.size()));
    } else if (std::in_range<std::uint32_t>(bytes.size())) {
      op(four);
      number(static_cast<std::uint32_t>(bytes.size()));
    } else {
      op(eight);
      number(static_cast<std::uint64_t>(bytes.size()));
    }
    raw(bytes);
  }
  void put_string(std::string_view text) {
    put_sized(Op::short_binunicode, Op::binunicode, Op::binunicode8,
              std::as_bytes(std::span{text}));
  }
  void put_bytes(ByteView bytes) {
    put_sized(Op::short_binbytes, Op::binbytes, Op::binbytes8, bytes);
  }
  void put_big_integer(ByteView bytes) {
    if (std::in_range<std::uint8_t>(bytes.size())) {
      op(Op::long1);
      number(static_cast<std::uint8_t>(bytes.size()));
    } else {
      MP_EXPECTS(std::in_range<std::int32_t>(bytes.size()), "an int is too long for a pickle");
      op(Op::long4);
      number(static_cast<std::int32_t>(bytes.size()));
    }
    raw(bytes);
  }
  void put_real(double value) {
    op(Op::binfloat);
    number(__builtin_bswap64(std::bit_cast<std::uint64_t>(value)));  // the only big-endian one
  }

  void put_all(const Items& items) {
    for (const Value& item : items) {
      put(item);
    }
  }
  // What is added to the value before it, in one go.
  void put_items(const Items& items, Op code) {
    if (!items.empty()) {
      op(Op::mark);
      put_all(items);
      op(code);
    }
  }
  void put_pairs(const Pairs& pairs) {
    if (!pairs.empty()) {
      op(Op::mark);
      for (const auto& [key, value] : pairs) {
        put(key);
        put(value);
      }
      op(Op::setitems);
    }
  }
  void put_tuple(const Items& items) {
    constexpr std::array kShort = {Op::empty_tuple, Op::tuple1, Op::tuple2, Op::tuple3};
    if (items.size() >= kShort.size()) {
      op(Op::mark);
    }
    put_all(items);
    op(items.size() < kShort.size() ? kShort.at(items.size()) : Op::tuple);
  }
  void put_global(std::string_view module, std::string_view name) {
    put_string(module);
    put_string(name);
    op(Op::stack_global);
  }
  void put_object(const Object& object) {
    put(object.type);
    put(object.args);
    if (object.by == Object::By::call) {
      op(Op::reduce);
    } else if (object.kwargs.is_none()) {
      op(Op::newobj);
    } else {
      put(object.kwargs);
      op(Op::newobj_ex);
    }
    put_items(object.items, Op::appends);
    put_pairs(object.pairs);
    if (!object.state.is_none()) {
      put(object.state);
      op(Op::build);
    }
  }

  void put(const Value& value) {
    switch (value.kind()) {
      case Kind::none:
        return op(Op::none);
      case Kind::boolean:
        return op(value.as_bool() ? Op::newtrue : Op::newfalse);
      case Kind::integer:
        return put_integer(value.as_int());
      case Kind::real:
        return put_real(value.as_real());
      case Kind::big_integer:
        return put_big_integer(value.as_bytes());
      case Kind::string:
        return put_string(value.as_string());
      case Kind::bytes:
        return put_bytes(value.as_bytes());
      case Kind::byte_array:  // no opcode before protocol 5
        put_global("builtins", "bytearray");
        put_bytes(value.as_bytes());
        op(Op::tuple1);
        return op(Op::reduce);
      case Kind::list:
        op(Op::empty_list);
        return put_items(value.items(), Op::appends);
      case Kind::tuple:
        return put_tuple(value.items());
      case Kind::dict:
        op(Op::empty_dict);
        return put_pairs(value.pairs());
      case Kind::set:
        op(Op::empty_set);
        return put_items(value.items(), Op::additems);
      case Kind::frozen_set:
        op(Op::mark);
        put_all(value.items());
        return op(Op::frozenset);
      case Kind::global:
        return put_global(value.as_global().module, value.as_global().name);
      case Kind::object:
        return put_object(value.as_object());
    }
  }

  Bytes out_;
};

}  // namespace

Bytes encode(const Value& value) {
  return Encoder{}.finish(value);
}

}  // namespace mp::pickle
