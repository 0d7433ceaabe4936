// SPDX-License-Identifier: Apache-2.0
// Objects of the standard types, as Python makes them: containers of any values.
#include <array>
#include <utility>

#include "mp/errors/error.hpp"

#include "manager/python/conversation.hpp"
#include "manager/python/items.hpp"
#include "manager/server.hpp"

namespace mp::manager::python {

namespace {

// The arguments of create without the type, as if it were a constructor.
struct Creation {
  Conversation& from;
  const Request& request;

  // One of our objects, of `type`, made from `args`, whose values are of Python's.
  [[nodiscard]] ObjectPtr made(std::string_view type, std::size_t tags,
                               std::vector<Item> args = {}) const {
    args.insert(args.begin(), make_item(Tags(tags, kValueTag)));
    return from.make(type, args);
  }
  [[nodiscard]] Arguments arguments(std::initializer_list<std::string_view> names,
                                    std::size_t required = 0) const {
    return {request, names, required};
  }
  // Python's way to fill it.
  void fill(const ObjectPtr& object, std::string_view method) const {
    const Request rest{id_of(*object), std::string{method}, request.args, request.kwds};
    Invocation call{from, rest, object};
    std::vector<Item> items;
    if (method == "update" && object->type() == "dict") {
      Pairs pairs;
      for (const Value& arg : request.args) {
        pairs = call.pairs(arg);
      }
      pairs.insert(pairs.end(), request.kwds.begin(), request.kwds.end());
      for (const auto& [key, value] : pairs) {
        items.push_back(call.item(key));
        items.push_back(call.item(value));
      }
    } else {
      const Arguments args = arguments({"iterable"});
      for (const Value& value : call.elements(args.get(0, Value::tuple({})))) {
        items.push_back(call.item(value));
      }
    }
    call.run(method, std::move(items));
  }
};

ObjectPtr make_dict(const Creation& in) {
  if (in.request.args.size() > 1) {
    raise_type_error("dict expected at most 1 argument");
  }
  ObjectPtr object = in.made("dict", 2);
  in.fill(object, "update");
  return object;
}

ObjectPtr make_list(const Creation& in) {
  ObjectPtr object = in.made("list", 1);
  in.fill(object, "extend");
  return object;
}

ObjectPtr make_set(const Creation& in) {
  ObjectPtr object = in.made("set", 1);
  in.fill(object, "update");
  return object;
}

ObjectPtr make_namespace(const Creation& in) {
  ObjectPtr object = in.made("Namespace", 0);
  const Request rest{id_of(*object), "__setattr__"};
  const Invocation call{in.from, rest, object};
  if (!in.request.args.empty()) {
    raise_type_error("Namespace() takes attributes by their names");
  }
  for (const auto& [name, value] : in.request.kwds) {
    call.run("__setattr__", {make_item(name.as_string()), call.item(value)});
  }
  return object;
}

ObjectPtr make_value(const Creation& in) {
  const Arguments args = in.arguments({"typecode", "value", "lock"}, 2);
  return in.made("Value", 1, {item_of(args.at(1), in.from.server())});
}

ObjectPtr make_array(const Creation& in) {
  const Arguments args = in.arguments({"typecode", "sequence", "lock"}, 2);
  const Request none;
  const ObjectPtr empty = in.made("Array", 1);
  const Invocation call{in.from, none, empty};
  std::vector<Item> items;
  for (const Value& value : call.elements(args.at(1))) {
    items.push_back(call.item(value));
  }
  return in.made("Array", 1, std::move(items));
}

ObjectPtr make_queue(const Creation& in, std::string_view type) {
  const std::int64_t size = in.arguments({"maxsize"}).get(0, Value{0}).as_int();
  return in.made(type, 1, {make_item(static_cast<std::uint64_t>(size < 0 ? 0 : size))});
}

ObjectPtr make_semaphore(const Creation& in, std::string_view type) {
  const std::int64_t value = in.arguments({"value"}).get(0, Value{1}).as_int();
  if (value < 0) {
    raise_value_error("semaphore initial value must be >= 0");
  }
  return in.made(type, 0, {make_item(static_cast<std::uint64_t>(value))});
}

ObjectPtr make_condition(const Creation& in) {
  const Value lock = in.arguments({"lock"}).get(0);
  if (lock.is_none()) {
    return in.made("Condition", 0);
  }
  return in.made("Condition", 0, {item_of(lock, in.from.server())});
}

ObjectPtr make_barrier(const Creation& in) {
  const Arguments args = in.arguments({"parties", "action", "timeout"}, 1);
  if (!args.get(1).is_none()) {
    raise_type_error("a Barrier's action would run where there is no Python");
  }
  const std::int64_t parties = args.at(0).as_int();
  if (parties < 1) {
    raise_value_error("parties must be > 0");
  }
  return in.made(
      "Barrier", 0,
      {make_item(static_cast<std::uint64_t>(parties)), make_item(time_to_wait(args.get(2)))});
}

ObjectPtr make_plain(const Creation& in, std::string_view type) {
  (void)in.arguments({});
  return in.made(type, 0);
}

}  // namespace

ObjectPtr make_standard(Conversation& from, const Request& request) {
  const std::string& type = request.args.at(0).as_string();
  const Request constructor{
      std::nullopt, type, {request.args.begin() + 1, request.args.end()}, request.kwds};
  const Creation in{from, constructor};
  using Make = ObjectPtr (*)(const Creation&);
  constexpr std::array<std::pair<std::string_view, Make>, 8> kMakers = {{
      {"dict", &make_dict},
      {"list", &make_list},
      {"set", &make_set},
      {"Namespace", &make_namespace},
      {"Value", &make_value},
      {"Array", &make_array},
      {"Condition", &make_condition},
      {"Barrier", &make_barrier},
  }};
  for (const auto& [name, make] : kMakers) {
    if (name == type) {
      return make(in);
    }
  }
  if (type == "Queue" || type == "JoinableQueue") {
    return make_queue(in, type);
  }
  if (type == "Semaphore" || type == "BoundedSemaphore") {
    return make_semaphore(in, type);
  }
  if (type == "Lock" || type == "RLock" || type == "Event") {
    return make_plain(in, type);
  }
  return nullptr;
}

}  // namespace mp::manager::python
