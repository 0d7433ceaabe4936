// SPDX-License-Identifier: Apache-2.0
// The machine that a pickle is a program for, reduced to what builds data.
//
// Invariants
//  D1 Memory is charged before it is taken, for the worst moment of a growing vector; a message can
//     take no more than its budget.
//  D2 What has become a part of something is frozen and does not change any more (V1): an
//  instruction
//     that would change it is an error. Honest picklers do that only for what contains itself.
//  D3 A mark is a fence: nothing below it can be taken before the mark is.
#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "mp/codec/pickle.hpp"

#include "codec/pickle/builtin.hpp"
#include "codec/pickle/node.hpp"
#include "codec/pickle/opcodes.hpp"
#include "codec/pickle/protocol0.hpp"

namespace mp::pickle {

namespace {

using detail::Access;

// An element of a vector that grows: itself, and the old and the new array while it is copied.
constexpr std::size_t kSlot = 3 * sizeof(Value);
constexpr std::size_t kHeap = 16;  // what the allocator adds

class Decoder {
 public:
  Decoder(ByteView in, const DecodeLimits& limits)
      : all_{in},
        in_{in},
        depth_{std::min(limits.depth, kMaxDepth)},
        budget_{budget(in.size(), limits)},
        memory_left_{budget_} {}

  Value run() {
    while (!done_) {
      step(static_cast<Op>(number<std::uint8_t>()));
    }
    if (!in_.empty()) {
      fail("bytes follow the end of the pickle");
    }
    return std::move(result_);
  }

 private:
  static std::size_t budget(std::size_t size, const DecodeLimits& limits) noexcept {
    const std::size_t room = std::numeric_limits<std::size_t>::max() - limits.slack;
    return limits.factor != 0 && size > room / limits.factor
               ? std::numeric_limits<std::size_t>::max()
               : limits.slack + limits.factor * size;
  }
  [[noreturn]] void fail(std::string_view sentence) const {
    throw DecodeError{"this is no pickle that can be read: " + std::string{sentence},
                      Bytes(all_.begin(), all_.end())};
  }
  void charge(std::size_t size) {
    if (size > memory_left_) {
      fail("it asks for more memory than it may");
    }
    memory_left_ -= size;
  }

  ByteView take(std::uint64_t size) {
    if (size > in_.size()) {
      fail("it ends too early");
    }
    const ByteView taken = in_.first(static_cast<std::size_t>(size));
    in_ = in_.subspan(taken.size());
    return taken;
  }
  template <class N>
  N number() {
    std::array<std::byte, sizeof(N)> bytes{};
    const ByteView taken = take(sizeof(N));
    std::copy(taken.begin(), taken.end(), bytes.begin());
    return std::bit_cast<N>(bytes);
  }
  std::string_view text(std::uint64_t size) {
    const ByteView taken = take(size);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  std::string_view line() {
    const auto end = std::find(in_.begin(), in_.end(), std::byte{'\n'});
    const std::string_view found = text(static_cast<std::uint64_t>(end - in_.begin()));
    take(1);
    return found;
  }
  std::uint64_t signed_size() {
    const auto size = number<std::int32_t>();
    if (size < 0) {
      fail("a size is negative");
    }
    return static_cast<std::uint64_t>(size);
  }

  void push(Value value) {
    if (stack_.size() == highest_) {
      charge(kSlot);
      ++highest_;
    }
    stack_.push_back(std::move(value));
  }
  [[nodiscard]] std::size_t fence() const noexcept { return marks_.empty() ? 0 : marks_.back(); }
  Value& top() {
    if (stack_.size() <= fence()) {
      fail("its stack is empty");
    }
    return stack_.back();
  }
  Value pop() {
    Value value = std::move(top());
    stack_.pop_back();
    return value;
  }
  // Takes the last mark away. Returns where the values above it begin.
  std::size_t unmark() {
    if (marks_.empty()) {
      fail("it has no mark where one is needed");
    }
    const std::size_t start = marks_.back();
    marks_.pop_back();
    return start;
  }
  Items take_from(std::size_t start) {
    charge((stack_.size() - start) * sizeof(Value) + kHeap);
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(start);
    Items items(std::make_move_iterator(begin), std::make_move_iterator(stack_.end()));
    stack_.erase(begin, stack_.end());
    return items;
  }
  Items take_last(std::size_t count) {
    if (stack_.size() - fence() < count) {
      fail("its stack is too short");
    }
    return take_from(stack_.size() - count);
  }

  template <class N>
  N& fresh(Kind kind) {
    charge(sizeof(N) + kHeap);
    auto* node = new N;
    push_owned(kind, node);
    return *node;
  }
  void push_owned(Kind kind, detail::Node* node) { push(Access::make(kind, node)); }

  void adopt(detail::Node& whole, const Value& part) {
    if (!detail::add_part(whole, part) || whole.depth > depth_) {
      fail("it nests too deeply, or contains itself");
    }
    if (whole.weight > budget_) {
      fail("it would be too large if nothing in it were shared");
    }
  }
  // For what changes: after its new parts were frozen.
  void require_open(const detail::Node& node) const {
    if (node.frozen) {
      fail("it changes a part of something, or contains itself");
    }
  }

  void push_items(Kind kind, Items items) {
    auto& node = fresh<detail::ItemsNode>(kind);
    for (const Value& item : items) {
      adopt(node, item);
    }
    node.items = std::move(items);
  }
  void push_string(std::string_view text) {
    if (!detail::is_utf8(text)) {
      fail("a str is not UTF-8");
    }
    auto& node = fresh<detail::StringNode>(Kind::string);
    charge(text.size() + kHeap);
    node.text = text;
    node.weight += text.size();
  }
  void push_bytes(Kind kind, ByteView bytes) {
    auto& node = fresh<detail::BytesNode>(kind);
    charge(bytes.size() + kHeap);
    node.bytes.assign(bytes.begin(), bytes.end());
    node.weight += bytes.size();
  }
  void push_integer(ByteView bytes) {
    charge(bytes.size() + sizeof(detail::BytesNode) + kHeap);
    push(detail::make_integer(bytes));
  }
  // What Python 2 called str.
  void push_old_string(std::string_view text) {
    if (detail::is_utf8(text)) {
      push_string(text);
    } else {
      push_bytes(Kind::bytes, std::as_bytes(std::span{text}));
    }
  }
  template <class T>
  T checked(std::optional<T> value) {
    if (!value) {
      fail("a line of text is no value");
    }
    return std::move(*value);
  }

  void append(Items&& items) {
    const Value target = top();
    if (target.kind() == Kind::list) {
      append_to(Access::node<detail::ItemsNode>(target),
                Access::node<detail::ItemsNode>(target).items, std::move(items));
    } else if (target.kind() == Kind::object) {
      append_to(Access::node<detail::ObjectNode>(target),
                Access::node<detail::ObjectNode>(target).object.items, std::move(items));
    } else {
      fail("it appends to what is no list");
    }
  }
  void append_to(detail::Node& whole, Items& to, Items&& items) {
    charge(items.size() * kSlot);
    for (const Value& item : items) {
      adopt(whole, item);
    }
    require_open(whole);
    to.insert(to.end(), std::make_move_iterator(items.begin()),
              std::make_move_iterator(items.end()));
  }
  void add_to_set(Items&& items) {
    const Value target = top();
    if (target.kind() != Kind::set) {
      fail("it adds to what is no set");
    }
    auto& node = Access::node<detail::ItemsNode>(target);
    append_to(node, node.items, std::move(items));
  }
  void set_pairs(Items&& items) {
    const Value target = top();
    if (target.kind() == Kind::dict) {
      set_in(Access::node<detail::PairsNode>(target), Access::node<detail::PairsNode>(target).pairs,
             std::move(items));
    } else if (target.kind() == Kind::object) {
      set_in(Access::node<detail::ObjectNode>(target),
             Access::node<detail::ObjectNode>(target).object.pairs, std::move(items));
    } else {
      fail("it sets an item of what is no dict");
    }
  }
  void set_in(detail::Node& whole, Pairs& to, Items&& items) {
    if (items.size() % 2 != 0) {
      fail("a key has no value");
    }
    charge(items.size() * kSlot);
    for (const Value& item : items) {
      adopt(whole, item);
    }
    require_open(whole);
    for (std::size_t i = 0; i != items.size(); i += 2) {
      to.emplace_back(std::move(items[i]), std::move(items[i + 1]));
    }
  }

  void memoize(std::uint64_t index) {
    if (index > memo_.size() && index > all_.size()) {
      fail("it remembers a value at a place that is too far");
    }
    if (index >= memo_.size()) {
      charge((index + 1 - memo_.size()) * kSlot);
      memo_.resize(static_cast<std::size_t>(index) + 1);
    }
    memo_[static_cast<std::size_t>(index)] = top();
  }
  void recall(std::uint64_t index) {
    if (index >= memo_.size()) {
      fail("it recalls a value that it never remembered");
    }
    push(memo_[static_cast<std::size_t>(index)]);
  }
  std::uint64_t line_index() {
    const Value index = checked(detail::integer_of(line(), false));
    if (index.kind() != Kind::integer || index.as_int() < 0) {
      fail("a place is negative");
    }
    return static_cast<std::uint64_t>(index.as_int());
  }

  void push_global(std::string_view module, std::string_view name) {
    if (!detail::is_utf8(module) || !detail::is_utf8(name)) {
      fail("a name is not UTF-8");
    }
    auto& node = fresh<detail::GlobalNode>(Kind::global);
    charge(module.size() + name.size() + 2 * kHeap);
    node.global = {std::string{module}, std::string{name}};
    node.weight += module.size() + name.size();
    detail::rename(node.global);
  }
  void push_object(Object::By by, Value type, Value args, Value kwargs) {
    if (type.kind() != Kind::global && type.kind() != Kind::object) {
      fail("it makes an object of what is no class");
    }
    if (args.kind() != Kind::tuple || (!kwargs.is_none() && kwargs.kind() != Kind::dict)) {
      fail("it makes an object with what are no arguments");
    }
    if (by == Object::By::call) {
      // As many bytes again as the arguments have, at most.
      charge(static_cast<std::size_t>(
          std::min<std::uint64_t>(Access::weight(args), memory_left_ + std::uint64_t{1})));
      if (auto value = detail::builtin_call(type, args)) {
        const std::size_t depth = Access::depth(*value);
        if (depth > depth_) {
          fail("it nests too deeply");
        }
        Access::node(*value).frozen = false;
        push(*std::move(value));
        return;
      }
    }
    auto& node = fresh<detail::ObjectNode>(Kind::object);
    for (const Value* part : {&type, &args, &kwargs}) {
      adopt(node, *part);
    }
    node.object.type = std::move(type);
    node.object.args = std::move(args);
    node.object.kwargs = std::move(kwargs);
    node.object.by = by;
  }
  void build() {
    Value state = pop();
    const Value target = top();
    if (target.kind() != Kind::object) {
      fail("it gives a state to what is no object");
    }
    auto& node = Access::node<detail::ObjectNode>(target);
    adopt(node, state);
    require_open(node);
    if (!node.object.state.is_none()) {
      fail("it gives an object two states");
    }
    node.object.state = std::move(state);
  }
  void push_instance(std::string_view module, std::string_view name, std::size_t start) {
    Items args = take_from(start);
    push_global(module, name);
    Value type = pop();
    push_items(Kind::tuple, std::move(args));
    Value tuple = pop();
    push_object(Object::By::call, std::move(type), std::move(tuple), Value{});
  }

  void step(Op op);
  bool step_scalar(Op op);
  bool step_text(Op op);

  const ByteView all_;
  ByteView in_;
  const std::size_t depth_;
  const std::size_t budget_;
  std::size_t memory_left_;
  std::vector<Value> stack_;
  std::size_t highest_ = 0;  // that many slots of the stack are paid
  std::vector<std::size_t> marks_;
  std::vector<Value> memo_;
  Value result_;
  bool done_ = false;
};

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
      push(checked(detail::real_of(line())));
      return true;
    case Op::int_text:
    case Op::long_text: {
      const std::string_view digits = line();
      charge(2 * std::min(digits.size(), detail::kMostDigits) + sizeof(detail::BytesNode) + kHeap);
      push(checked(detail::integer_of(digits, op == Op::int_text)));
      return true;
    }
    case Op::string_text: {
      const std::string_view quoted = line();
      charge(quoted.size());
      push_old_string(checked(detail::unquoted(quoted)));
      return true;
    }
    case Op::unicode_text: {
      const std::string_view escaped = line();
      charge(2 * escaped.size());
      push_string(checked(detail::unescaped_text(escaped)));
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
    case Op::dict: {
      Items items = take_from(unmark());
      fresh<detail::PairsNode>(Kind::dict);
      set_pairs(std::move(items));
      return true;
    }
    case Op::inst: {
      const std::string_view module = line();
      push_instance(module, line(), unmark());
      return true;
    }
    case Op::obj: {
      Items items = take_from(unmark());
      if (items.empty()) {
        fail("it makes an object of nothing");
      }
      Value type = std::move(items.front());
      items.erase(items.begin());
      push_items(Kind::tuple, std::move(items));
      Value args = pop();
      push_object(Object::By::call, std::move(type), std::move(args), Value{});
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
      fresh<detail::ItemsNode>(Kind::list);
      return;
    case Op::empty_dict:
      fresh<detail::PairsNode>(Kind::dict);
      return;
    case Op::empty_set:
      fresh<detail::ItemsNode>(Kind::set);
      return;
    case Op::empty_tuple:
      fresh<detail::ItemsNode>(Kind::tuple);
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

}  // namespace

Value decode(ByteView pickle, const DecodeLimits& limits) {
  return Decoder{pickle, limits}.run();
}

}  // namespace mp::pickle
