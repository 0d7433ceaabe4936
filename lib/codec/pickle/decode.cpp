// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <utility>

#include "codec/pickle/decoder.hpp"

namespace mp::pickle {

namespace detail {

// The instructions that push a value with its bytes.
bool Decoder::step_scalar(Op op) {
  switch (op) {
    case Op::none:
      push({});
      return true;
    case Op::newtrue:
    case Op::newfalse:
      push(op == Op::newtrue);
      return true;
    case Op::binint:
      push(number<std::int32_t>());
      return true;
    case Op::binint1:
      push(number<std::uint8_t>());
      return true;
    case Op::binint2:
      push(number<std::uint16_t>());
      return true;
    case Op::long1:
      push_integer(take(number<std::uint8_t>()));
      return true;
    case Op::long4:
      push_integer(take(signed_size()));
      return true;
    case Op::binfloat:
      push(std::bit_cast<double>(__builtin_bswap64(number<std::uint64_t>())));
      return true;
    case Op::short_binunicode:
      push_string(text(number<std::uint8_t>()));
      return true;
    case Op::binunicode:
      push_string(text(number<std::uint32_t>()));
      return true;
    case Op::binunicode8:
      push_string(text(number<std::uint64_t>()));
      return true;
    case Op::short_binbytes:
      push_bytes(Kind::bytes, take(number<std::uint8_t>()));
      return true;
    case Op::binbytes:
      push_bytes(Kind::bytes, take(number<std::uint32_t>()));
      return true;
    case Op::binbytes8:
      push_bytes(Kind::bytes, take(number<std::uint64_t>()));
      return true;
    case Op::bytearray8:
      push_bytes(Kind::byte_array, take(number<std::uint64_t>()));
      return true;
    default:
      return false;
  }
}

// Those of protocols 0 and 1 that nobody writes any more.
bool Decoder::step_text(Op op) {
  switch (op) {
    case Op::float_text:
      push(checked(real_of(line())));
      return true;
    case Op::int_text:
    case Op::long_text: {
      const std::string_view digits = line();
      charge(2 * std::min(digits.size(), kMostDigits) + sizeof(BytesNode) + kHeap);
      push(checked(integer_of(digits, op == Op::int_text)));
      return true;
    }
    case Op::string_text: {
      const std::string_view quoted = line();
      charge(quoted.size());
      push_old_string(checked(unquoted(quoted)));
      return true;
    }
    case Op::unicode_text: {
      const std::string_view escaped = line();
      charge(2 * escaped.size());
      push_string(checked(unescaped_text(escaped)));
      return true;
    }
    case Op::binstring:
      push_old_string(text(signed_size()));
      return true;
    case Op::short_binstring:
      push_old_string(text(number<std::uint8_t>()));
      return true;
    case Op::get_text:
      recall(line_index());
      return true;
    case Op::put_text:
      memoize(line_index());
      return true;
    case Op::list:
      push_items(Kind::list, take_from(unmark()));
      return true;
    case Op::dict:
      push_dict(take_from(unmark()));
      return true;
    case Op::inst: {
      const std::string_view module = line();
      const std::string_view name = line();
      Items args = take_from(unmark());
      push_global(module, name);
      push_call(pop(), std::move(args));
      return true;
    }
    case Op::obj: {
      Items parts = take_from(unmark());
      if (parts.empty()) {
        fail("it makes an object of nothing");
      }
      Value type = std::move(parts.front());
      parts.erase(parts.begin());
      push_call(std::move(type), std::move(parts));
      return true;
    }
    default:
      return false;
  }
}

void Decoder::step(Op op) {
  switch (op) {
    case Op::proto:
      if (constexpr std::uint8_t kNewest = 5; number<std::uint8_t>() > kNewest) {
        fail("it is of a protocol that does not exist yet");
      }
      return;
    case Op::frame:
      number<std::uint64_t>();
      return;
    case Op::stop:
      result_ = pop();
      if (Access::has_node(result_)) {
        Access::node(result_).frozen = true;
      }
      done_ = true;
      return;
    case Op::mark:
      charge(3 * sizeof(std::size_t));
      marks_.push_back(stack_.size());
      return;
    case Op::pop:
      // As in CPython: with nothing above the last mark, the mark itself.
      if (stack_.size() == fence() && !marks_.empty()) {
        marks_.pop_back();
      } else {
        pop();
      }
      return;
    case Op::pop_mark:
      stack_.resize(unmark());
      return;
    case Op::dup:
      push(Value{top()});
      return;
    case Op::empty_list:
      fresh<ItemsNode>(Kind::list);
      return;
    case Op::empty_dict:
      fresh<PairsNode>(Kind::dict);
      return;
    case Op::empty_set:
      fresh<ItemsNode>(Kind::set);
      return;
    case Op::empty_tuple:
      fresh<ItemsNode>(Kind::tuple);
      return;
    case Op::tuple1:
      return push_items(Kind::tuple, take_last(1));
    case Op::tuple2:
      return push_items(Kind::tuple, take_last(2));
    case Op::tuple3:
      return push_items(Kind::tuple, take_last(3));
    case Op::tuple:
      return push_items(Kind::tuple, take_from(unmark()));
    case Op::frozenset:
      return push_items(Kind::frozen_set, take_from(unmark()));
    case Op::append:
      return append(take_last(1));
    case Op::appends:
      return append(take_from(unmark()));
    case Op::additems:
      return add_to_set(take_from(unmark()));
    case Op::setitem:
      return set_pairs(take_last(2));
    case Op::setitems:
      return set_pairs(take_from(unmark()));
    case Op::memoize:
      return memoize(memo_.size());
    case Op::binput:
      return memoize(number<std::uint8_t>());
    case Op::long_binput:
      return memoize(number<std::uint32_t>());
    case Op::binget:
      return recall(number<std::uint8_t>());
    case Op::long_binget:
      return recall(number<std::uint32_t>());
    case Op::global: {
      const std::string_view module = line();
      return push_global(module, line());
    }
    case Op::stack_global: {
      const Items names = take_last(2);
      if (names[0].kind() != Kind::string || names[1].kind() != Kind::string) {
        fail("a name is no str");
      }
      return push_global(names[0].as_string(), names[1].as_string());
    }
    case Op::reduce:
    case Op::newobj: {
      Items parts = take_last(2);
      return push_object(op == Op::reduce ? Object::By::call : Object::By::alloc,
                         std::move(parts[0]), std::move(parts[1]), Value{});
    }
    case Op::newobj_ex: {
      Items parts = take_last(3);
      return push_object(Object::By::alloc, std::move(parts[0]), std::move(parts[1]),
                         std::move(parts[2]));
    }
    case Op::build:
      return build();
    default:
      if (!step_scalar(op) && !step_text(op)) {
        fail("it has an instruction that is not allowed");
      }
  }
}

}  // namespace detail

Value decode(ByteView pickle, const DecodeLimits& limits) {
  return detail::Decoder{pickle, limits}.run();
}

}  // namespace mp::pickle
