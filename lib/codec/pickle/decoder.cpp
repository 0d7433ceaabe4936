// SPDX-License-Identifier: Apache-2.0
#include "codec/pickle/decoder.hpp"

#include <iterator>
#include <string>

namespace mp::pickle::detail {

void Decoder::append(Items&& items) {
  const Value target = top();
  if (target.kind() == Kind::list) {
    append_to(Access::node<ItemsNode>(target), Access::node<ItemsNode>(target).items,
              std::move(items));
  } else if (target.kind() == Kind::object) {
    append_to(Access::node<ObjectNode>(target), Access::node<ObjectNode>(target).object.items,
              std::move(items));
  } else {
    fail("it appends to what is no list");
  }
}

void Decoder::append_to(Node& whole, Items& to, Items&& items) {
  charge(items.size() * kSlot);
  for (const Value& item : items) {
    adopt(whole, item);
  }
  require_open(whole);
  to.insert(to.end(), std::make_move_iterator(items.begin()), std::make_move_iterator(items.end()));
}

void Decoder::add_to_set(Items&& items) {
  const Value target = top();
  if (target.kind() != Kind::set) {
    fail("it adds to what is no set");
  }
  auto& node = Access::node<ItemsNode>(target);
  append_to(node, node.items, std::move(items));
}

void Decoder::set_pairs(Items&& items) {
  const Value target = top();
  if (target.kind() == Kind::dict) {
    set_in(Access::node<PairsNode>(target), Access::node<PairsNode>(target).pairs,
           std::move(items));
  } else if (target.kind() == Kind::object) {
    set_in(Access::node<ObjectNode>(target), Access::node<ObjectNode>(target).object.pairs,
           std::move(items));
  } else {
    fail("it sets an item of what is no dict");
  }
}

void Decoder::set_in(Node& whole, Pairs& to, Items&& items) {
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

void Decoder::push_global(std::string_view module, std::string_view name) {
  if (!is_utf8(module) || !is_utf8(name)) {
    fail("a name is not UTF-8");
  }
  auto& node = fresh<GlobalNode>(Kind::global);
  charge(module.size() + name.size() + 2 * kHeap);
  node.global = {std::string{module}, std::string{name}};
  node.weight += module.size() + name.size();
  rename(node.global);
}

void Decoder::push_object(Object::By by, Value type, Value args, Value kwargs) {
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
    if (auto value = builtin_call(type, args)) {
      const std::size_t depth = Access::depth(*value);
      if (depth > depth_) {
        fail("it nests too deeply");
      }
      Access::node(*value).frozen = false;
      push(*std::move(value));
      return;
    }
  }
  auto& node = fresh<ObjectNode>(Kind::object);
  for (const Value* part : {&type, &args, &kwargs}) {
    adopt(node, *part);
  }
  node.object.type = std::move(type);
  node.object.args = std::move(args);
  node.object.kwargs = std::move(kwargs);
  node.object.by = by;
}

void Decoder::build() {
  Value state = pop();
  const Value target = top();
  if (target.kind() != Kind::object) {
    fail("it gives a state to what is no object");
  }
  auto& node = Access::node<ObjectNode>(target);
  adopt(node, state);
  require_open(node);
  if (!node.object.state.is_none()) {
    fail("it gives an object two states");
  }
  node.object.state = std::move(state);
}

}  // namespace mp::pickle::detail
