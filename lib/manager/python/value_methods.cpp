// SPDX-License-Identifier: Apache-2.0
// Namespaces, values and iterators.
#include <array>
#include <utility>

#include "manager/python/items.hpp"
#include "manager/python/methods.hpp"
#include "manager/server.hpp"

namespace mp::manager::python {

namespace {

// Values that somebody looks at one after the other.
class ServedIterator final : public Served {
 public:
  ServedIterator(Server& server, std::vector<Item> items)
      : Served{server, "Iterator", {}}, items_{std::move(items)} {}

  void serve(CallPtr& call) override {
    if (call->name() == "close") {
      next_ = items_.size();
      call->reply_nothing();
      return;
    }
    if (call->name() != "next") {
      throw_unknown_method(type(), call->name());
    }
    if (next_ == items_.size()) {
      call->reply_items({});
      return;
    }
    const Item* item = &items_[next_++];
    call->reply_items({&item, 1});
  }

 private:
  std::vector<Item> items_;
  std::size_t next_ = 0;
};

Value next_answer(const Conversation& to, Outcome&& outcome) {
  const Value values = as_it_is(to, std::move(outcome));
  if (values.items().empty()) {
    raise("StopIteration", {});
  }
  return values.items().front();
}

// Of a pool's it waits.
void next(Invocation& call) {
  call.ask("next", {}, &next_answer);
}

void close(Invocation& call) {
  call.ask("close", {});
}

std::string name_of(const Value& value) {
  if (value.kind() != pickle::Kind::string) {
    raise_type_error("attribute name must be string, not '" +
                     std::string{pickle::name_of(value.kind())} + "'");
  }
  return value.as_string();
}

Item attribute(const Invocation& call, const std::string& name) {
  Item item = make_item(name);
  if (!call.value_of("__contains__", {item}).as_bool()) {
    raise("AttributeError", {Value{"'Namespace' object has no attribute '" + name + "'"}});
  }
  return item;
}

void get_attribute(Invocation& call) {
  const std::string name = name_of(call.arguments({"name"}, 1).at(0));
  call.reply(call.value_of("__getattribute__", {attribute(call, name)}));
}

void set_attribute(Invocation& call) {
  const Arguments args = call.arguments({"name", "value"}, 2);
  call.run("__setattr__", {make_item(name_of(args.at(0))), call.item(args.at(1))});
  call.reply();
}

void delete_attribute(Invocation& call) {
  const std::string name = name_of(call.arguments({"name"}, 1).at(0));
  call.run("__delattr__", {attribute(call, name)});
  call.reply();
}

Pairs attributes(const Invocation& call) {
  const Items flat = call.values_of("items");
  Pairs pairs;
  for (std::size_t i = 0; i + 1 < flat.size(); i += 2) {
    pairs.emplace_back(flat[i], flat[i + 1]);
  }
  return pairs;
}

void namespace_value(Invocation& call) {
  call.reply(Value::object({.type = Value::global("multiprocessing.managers", "Namespace"),
                            .state = Value::dict(attributes(call)),
                            .by = pickle::Object::By::alloc}));
}

void namespace_repr(Invocation& call) {
  std::string text = "Namespace(";
  const char* before = "";
  for (const auto& [name, value] : attributes(call)) {
    if (!name.as_string().starts_with('_')) {
      text += before + name.as_string() + "=" + value.repr();
      before = ", ";
    }
  }
  call.reply(Value{text + ")"});
}

void get(Invocation& call) {
  call.reply(call.value_of("get"));
}

void set(Invocation& call) {
  call.run("set", {call.item(call.arguments({"value"}, 1).at(0))});
  call.reply();
}

void value_repr(Invocation& call) {
  call.reply(Value{"Value(" + call.value_of("get").repr() + ")"});
}

constexpr std::array kIterator = {
    Method{"__next__", &next},
    Method{"send", &next},
    Method{"close", &close},
};
constexpr std::array kNamespace = {
    Method{"__getattribute__", &get_attribute}, Method{"__setattr__", &set_attribute},
    Method{"__delattr__", &delete_attribute},   Method{"__repr__", &namespace_repr, false},
    Method{"__str__", &namespace_repr, false},  Method{"#GETVALUE", &namespace_value, false},
};
constexpr std::array kValue = {
    Method{"get", &get},
    Method{"set", &set},
    Method{"__repr__", &value_repr, false},
    Method{"__str__", &value_repr, false},
};

}  // namespace

ObjectPtr make_iterator(Server& server, std::vector<Item> items) {
  auto iterator = std::make_shared<ServedIterator>(server, std::move(items));
  server.enter(iterator);
  return iterator;
}

std::span<const Method> iterator_methods() noexcept {
  return kIterator;
}

std::span<const Method> namespace_methods() noexcept {
  return kNamespace;
}

std::span<const Method> value_methods() noexcept {
  return kValue;
}

}  // namespace mp::manager::python
