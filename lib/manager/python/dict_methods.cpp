// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "manager/python/items.hpp"
#include "manager/python/methods.hpp"

namespace mp::manager::python {

namespace {

using pickle::Kind;

Item key_of(const Invocation& call, const Value& key) {
  switch (key.kind()) {
    case Kind::list:
    case Kind::dict:
    case Kind::set:
    case Kind::byte_array:
      raise_type_error("unhashable type: '" + std::string{name_of(key.kind())} + "'");
    default:
      return call.item(key);
  }
}

[[noreturn]] void raise_no_key(const Value& key) {
  raise("KeyError", {key});
}

bool has(const Invocation& call, const Value& key) {
  return call.value_of("__contains__", {key_of(call, key)}).as_bool();
}

// The flat answer of "items" as pairs.
Pairs all(const Invocation& call) {
  const Items flat = call.values_of("items");
  Pairs pairs;
  pairs.reserve(flat.size() / 2);
  for (std::size_t i = 0; i + 1 < flat.size(); i += 2) {
    pairs.emplace_back(flat[i], flat[i + 1]);
  }
  return pairs;
}

void put_all(const Invocation& call, const Pairs& pairs) {
  std::vector<Item> args;
  args.reserve(2 * pairs.size());
  for (const auto& [key, value] : pairs) {
    args.push_back(key_of(call, key));
    args.push_back(call.item(value));
  }
  call.run("update", std::move(args));
}

void get_item(Invocation& call) {
  const Value key = call.arguments({"key"}, 1).at(0);
  if (!has(call, key)) {
    raise_no_key(key);
  }
  call.reply(call.value_of("__getitem__", {key_of(call, key)}));
}

void set_item(Invocation& call) {
  const Arguments args = call.arguments({"key", "value"}, 2);
  call.run("__setitem__", {key_of(call, args.at(0)), call.item(args.at(1))});
  call.reply();
}

void delete_item(Invocation& call) {
  const Value key = call.arguments({"key"}, 1).at(0);
  if (!has(call, key)) {
    raise_no_key(key);
  }
  call.run("__delitem__", {key_of(call, key)});
  call.reply();
}

void contains(Invocation& call) {
  call.reply(Value{has(call, call.arguments({"key"}, 1).at(0))});
}

void length(Invocation& call) {
  call.reply(call.value_of("__len__"));
}

void get(Invocation& call) {
  const Arguments args = call.arguments({"key", "default"}, 1);
  if (!has(call, args.at(0))) {
    call.reply(args.get(1));
    return;
  }
  call.reply(call.value_of("__getitem__", {key_of(call, args.at(0))}));
}

void pop(Invocation& call) {
  const Arguments args = call.arguments({"key", "default"}, 1);
  if (has(call, args.at(0))) {
    call.reply(call.value_of("pop", {key_of(call, args.at(0))}));
  } else if (args.has(1)) {
    call.reply(args.at(1));
  } else {
    raise_no_key(args.at(0));
  }
}

void popitem(Invocation& call) {
  if (call.value_of("__len__").as_int() == 0) {
    raise_no_key(Value{"popitem(): dictionary is empty"});
  }
  call.reply(Value::tuple(call.values_of("popitem")));
}

void setdefault(Invocation& call) {
  const Arguments args = call.arguments({"key", "default"}, 1);
  call.reply(call.value_of("setdefault", {key_of(call, args.at(0)), call.item(args.get(1))}));
}

void update(Invocation& call) {
  Pairs pairs;
  if (call.request().args.size() > 1) {
    raise_type_error("update expected at most 1 argument");
  }
  for (const Value& arg : call.request().args) {
    pairs = call.pairs(arg);
  }
  pairs.insert(pairs.end(), call.request().kwds.begin(), call.request().kwds.end());
  put_all(call, pairs);
  call.reply();
}

void clear(Invocation& call) {
  call.run("clear");
  call.reply();
}

void copy(Invocation& call) {
  call.reply(Value::dict(all(call)));
}

void keys(Invocation& call) {
  call.reply(Value::list(call.values_of("keys")));
}

void values(Invocation& call) {
  call.reply(Value::list(call.values_of("values")));
}

void items(Invocation& call) {
  Items tuples;
  for (auto& [key, value] : all(call)) {
    tuples.push_back(Value::tuple({key, value}));
  }
  call.reply(Value::list(std::move(tuples)));
}

void iterate(Invocation& call) {
  call.reply_object(make_iterator(call.server(), call.run("keys").items));
}

void iterate_back(Invocation& call) {
  std::vector<Item> keys = call.run("keys").items;
  std::reverse(keys.begin(), keys.end());
  call.reply_object(make_iterator(call.server(), std::move(keys)));
}

// One dict of two: what comes later counts.
void merged(Invocation& call, bool other_first) {
  Pairs first = all(call);
  Pairs second = call.pairs(call.arguments({"other"}, 1).at(0));
  if (other_first) {
    std::swap(first, second);
  }
  std::unordered_map<Value, std::size_t> places;
  for (std::size_t i = 0; i != first.size(); ++i) {
    places.emplace(first[i].first, i);
  }
  for (auto& [key, value] : second) {
    if (const auto [place, is_new] = places.emplace(key, first.size()); is_new) {
      first.emplace_back(key, value);
    } else {
      first[place->second].second = value;
    }
  }
  call.reply(Value::dict(std::move(first)));
}

void unite(Invocation& call) {
  merged(call, false);
}

void unite_with_left(Invocation& call) {
  merged(call, true);
}

void from_keys(Invocation& call) {
  const Arguments args = call.arguments({"iterable", "value"}, 1);
  Pairs pairs;
  for (const Value& key : call.elements(args.at(0))) {
    pairs.emplace_back(key, args.get(1));
  }
  call.reply(Value::dict(std::move(pairs)));
}

void repr(Invocation& call) {
  call.reply(Value{Value::dict(all(call)).repr()});
}

// What only we have: d[k] += n, in one step.
void increment(Invocation& call) {
  const Arguments args = call.arguments({"key", "amount"}, 1);
  const Value amount = args.get(1, Value{1});
  if (call.object().tag(1) != kValueTag) {
    call.reply(call.value_of("increment", {key_of(call, args.at(0)), call.item(amount)}));
    return;
  }
  Value sum = amount;
  if (has(call, args.at(0))) {
    const Value before = call.value_of("__getitem__", {key_of(call, args.at(0))});
    const bool is_int = before.kind() <= Kind::integer && amount.kind() <= Kind::integer;
    std::int64_t whole = 0;
    if (is_int && __builtin_add_overflow(before.as_int(), amount.as_int(), &whole)) {
      raise("OverflowError", {Value{"the sum is too large"}});
    }
    sum = is_int ? Value{whole} : Value{before.as_real() + amount.as_real()};
  }
  call.run("__setitem__", {key_of(call, args.at(0)), call.item(sum)});
  call.reply(sum);
}

constexpr std::array kMethods = {
    Method{"__contains__", &contains},
    Method{"__delitem__", &delete_item},
    Method{"__getitem__", &get_item},
    Method{"__ior__", &update},
    Method{"__iter__", &iterate},
    Method{"__len__", &length},
    Method{"__or__", &unite},
    Method{"__reversed__", &iterate_back},
    Method{"__ror__", &unite_with_left},
    Method{"__setitem__", &set_item},
    Method{"clear", &clear},
    Method{"copy", &copy},
    Method{"fromkeys", &from_keys},
    Method{"get", &get},
    Method{"increment", &increment},
    Method{"items", &items},
    Method{"keys", &keys},
    Method{"pop", &pop},
    Method{"popitem", &popitem},
    Method{"setdefault", &setdefault},
    Method{"update", &update},
    Method{"values", &values},
    Method{"__repr__", &repr, false},
    Method{"__str__", &repr, false},
    Method{"#GETVALUE", &copy, false},
};

}  // namespace

std::span<const Method> dict_methods() noexcept {
  return kMethods;
}

}  // namespace mp::manager::python
