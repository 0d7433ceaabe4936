// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "manager/python/items.hpp"
#include "manager/python/methods.hpp"

namespace mp::manager::python {

namespace {

using Values = std::unordered_set<Value>;

Values all(const Invocation& call) {
  const Items items = call.values_of("copy");
  return {items.begin(), items.end()};
}

// The arguments, each of them iterable.
std::vector<Values> others(const Invocation& call) {
  std::vector<Values> sets;
  for (const Value& arg : call.request().args) {
    const Items items = call.elements(arg);
    sets.emplace_back(items.begin(), items.end());
  }
  return sets;
}

Value other(const Invocation& call) {
  return call.arguments({"other"}, 1).at(0);
}

Value as_set(const Values& values) {
  return Value::set({values.begin(), values.end()});
}

void put_all(const Invocation& call, const Values& values) {
  std::vector<Item> items;
  for (const Value& value : values) {
    items.push_back(call.item(value));
  }
  call.run("clear");
  call.run("update", std::move(items));
}

Values unite(Values values, const std::vector<Values>& sets) {
  for (const Values& set : sets) {
    values.insert(set.begin(), set.end());
  }
  return values;
}

Values intersect(Values values, const std::vector<Values>& sets) {
  for (const Values& set : sets) {
    std::erase_if(values, [&set](const Value& value) { return !set.contains(value); });
  }
  return values;
}

Values subtract(Values values, const std::vector<Values>& sets) {
  for (const Values& set : sets) {
    std::erase_if(values, [&set](const Value& value) { return set.contains(value); });
  }
  return values;
}

Values differ(Values values, const std::vector<Values>& sets) {
  for (const Values& set : sets) {
    for (const Value& value : set) {
      if (values.erase(value) == 0) {
        values.insert(value);
      }
    }
  }
  return values;
}

template <Values (*Op)(Values, const std::vector<Values>&)>
void result(Invocation& call) {
  call.reply(as_set(Op(all(call), others(call))));
}

template <Values (*Op)(Values, const std::vector<Values>&)>
void in_place(Invocation& call) {
  put_all(call, Op(all(call), others(call)));
  call.reply();
}

// other - self
void subtract_from(Invocation& call) {
  const Items items = call.elements(other(call));
  call.reply(as_set(subtract(Values{items.begin(), items.end()}, {all(call)})));
}

void contains(Invocation& call) {
  call.reply(call.value_of("__contains__", {call.item(call.arguments({"value"}, 1).at(0))}));
}

void length(Invocation& call) {
  call.reply(call.value_of("__len__"));
}

void iterate(Invocation& call) {
  call.reply_object(make_iterator(call.server(), call.run("copy").items));
}

void update(Invocation& call) {
  for (const Value& arg : call.request().args) {
    std::vector<Item> items;
    for (const Value& value : call.elements(arg)) {
      items.push_back(call.item(value));
    }
    call.run("update", std::move(items));
  }
  call.reply();
}

void add(Invocation& call) {
  call.run("add", {call.item(call.arguments({"value"}, 1).at(0))});
  call.reply();
}

void discard(Invocation& call) {
  call.run("discard", {call.item(call.arguments({"value"}, 1).at(0))});
  call.reply();
}

void remove(Invocation& call) {
  const Value value = call.arguments({"value"}, 1).at(0);
  if (!call.value_of("discard", {call.item(value)}).as_bool()) {
    raise("KeyError", {value});
  }
  call.reply();
}

void pop(Invocation& call) {
  if (call.value_of("__len__").as_int() == 0) {
    raise("KeyError", {Value{"pop from an empty set"}});
  }
  call.reply(call.value_of("pop"));
}

void clear(Invocation& call) {
  call.run("clear");
  call.reply();
}

void copy(Invocation& call) {
  call.reply(as_set(all(call)));
}

void is_disjoint(Invocation& call) {
  call.reply(Value{intersect(all(call), others(call)).empty()});
}

void is_subset(Invocation& call) {
  call.reply(Value{subtract(all(call), others(call)).empty()});
}

void is_superset(Invocation& call) {
  const Items items = call.elements(other(call));
  call.reply(Value{subtract(Values{items.begin(), items.end()}, {all(call)}).empty()});
}

void repr(Invocation& call) {
  call.reply(Value{as_set(all(call)).repr()});
}

constexpr std::array kMethods = {
    Method{"__and__", &result<&intersect>},
    Method{"__contains__", &contains},
    Method{"__iand__", &in_place<&intersect>},
    Method{"__ior__", &update},
    Method{"__isub__", &in_place<&subtract>},
    Method{"__iter__", &iterate},
    Method{"__ixor__", &in_place<&differ>},
    Method{"__len__", &length},
    Method{"__or__", &result<&unite>},
    Method{"__rand__", &result<&intersect>},
    Method{"__ror__", &result<&unite>},
    Method{"__rsub__", &subtract_from},
    Method{"__rxor__", &result<&differ>},
    Method{"__sub__", &result<&subtract>},
    Method{"__xor__", &result<&differ>},
    Method{"add", &add},
    Method{"clear", &clear},
    Method{"copy", &copy},
    Method{"difference", &result<&subtract>},
    Method{"difference_update", &in_place<&subtract>},
    Method{"discard", &discard},
    Method{"intersection", &result<&intersect>},
    Method{"intersection_update", &in_place<&intersect>},
    Method{"isdisjoint", &is_disjoint},
    Method{"issubset", &is_subset},
    Method{"issuperset", &is_superset},
    Method{"pop", &pop},
    Method{"remove", &remove},
    Method{"symmetric_difference", &result<&differ>},
    Method{"symmetric_difference_update", &in_place<&differ>},
    Method{"union", &result<&unite>},
    Method{"update", &update},
    Method{"__repr__", &repr, false},
    Method{"__str__", &repr, false},
    Method{"#GETVALUE", &copy, false},
};

}  // namespace

std::span<const Method> set_methods() noexcept {
  return kMethods;
}

}  // namespace mp::manager::python
