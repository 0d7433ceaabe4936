// SPDX-License-Identifier: Apache-2.0
// codec/pickle/decoder.hpp — the machine that a pickle is a program for, reduced to what builds
// data. Its instructions are in decode.cpp; here is what they do it with.
//
// Invariants
//  D1 Memory is charged before it is taken, for the worst moment of a growing vector; a message can
//     take no more than its budget.
//  D2 What has become a part of something is frozen and does not change any more (V1): what would
//     change it is an error. Honest picklers do that only for what contains itself.
//  D3 A mark is a fence: nothing below it can be taken before the mark is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "mp/codec/pickle.hpp"

#include "codec/pickle/builtin.hpp"
#include "codec/pickle/node.hpp"
#include "codec/pickle/opcodes.hpp"
#include "codec/pickle/protocol0.hpp"

namespace mp::pickle::detail {

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
  void push_owned(Kind kind, Node* node) { push(Access::make(kind, node)); }

  void adopt(Node& whole, const Value& part) {
    if (!add_part(whole, part) || whole.depth > depth_) {
      fail("it nests too deeply, or contains itself");
    }
    if (whole.weight > budget_) {
      fail("it would be too large if nothing in it were shared");
    }
  }
  // For what changes: after its new parts were frozen.
  void require_open(const Node& node) const {
    if (node.frozen) {
      fail("it changes a part of something, or contains itself");
    }
  }

  void push_items(Kind kind, Items items) {
    auto& node = fresh<ItemsNode>(kind);
    for (const Value& item : items) {
      adopt(node, item);
    }
    node.items = std::move(items);
  }
  void push_string(std::string_view text) {
    if (!is_utf8(text)) {
      fail("a str is not UTF-8");
    }
    auto& node = fresh<StringNode>(Kind::string);
    charge(text.size() + kHeap);
    node.text = text;
    node.weight += text.size();
  }
  void push_bytes(Kind kind, ByteView bytes) {
    auto& node = fresh<BytesNode>(kind);
    charge(bytes.size() + kHeap);
    node.bytes.assign(bytes.begin(), bytes.end());
    node.weight += bytes.size();
  }
  void push_integer(ByteView bytes) {
    charge(bytes.size() + sizeof(BytesNode) + kHeap);
    push(make_integer(bytes));
  }
  // What Python 2 called str.
  void push_old_string(std::string_view text) {
    if (is_utf8(text)) {
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

  void append(Items&& items);
  void append_to(Node& whole, Items& to, Items&& items);
  void add_to_set(Items&& items);
  void set_pairs(Items&& items);
  void set_in(Node& whole, Pairs& to, Items&& items);

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
    const Value index = checked(integer_of(line(), false));
    if (index.kind() != Kind::integer || index.as_int() < 0) {
      fail("a place is negative");
    }
    return static_cast<std::uint64_t>(index.as_int());
  }

  void push_global(std::string_view module, std::string_view name);
  void push_object(Object::By by, Value type, Value args, Value kwargs);
  void build();
  void push_dict(Items items) {
    fresh<PairsNode>(Kind::dict);
    set_pairs(std::move(items));
  }
  // A callable, and its arguments.
  void push_call(Value type, Items args) {
    push_items(Kind::tuple, std::move(args));
    push_object(Object::By::call, std::move(type), pop(), Value{});
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

}  // namespace mp::pickle::detail
