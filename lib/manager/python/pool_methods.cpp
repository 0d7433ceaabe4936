// SPDX-License-Identifier: Apache-2.0
// Pools, their results and their iterators. What a client names as the function is the name of one
// that the server has registered: nothing else of it arrives.
#include <array>
#include <string>
#include <utility>

#include "mp/errors/error.hpp"
#include "mp/manager/pool_proxy.hpp"

#include "manager/python/items.hpp"
#include "manager/python/methods.hpp"
#include "manager/server.hpp"

namespace mp::manager::python {

namespace {

using mp::detail::MapSpec;

constexpr std::int64_t kMost = 1 << 30;  // of what is counted in a pool

bool has_function(const Invocation& call, const std::string& name) {
  const auto* known = call.server().registry().find(name);
  return known != nullptr && known->kind == mp::detail::ServedType::Kind::function;
}

// The name under which it is registered: with its module, or without.
Item function_of(const Invocation& call, const Value& function) {
  std::string name;
  if (function.kind() == pickle::Kind::string) {
    name = function.as_string();
  } else if (function.kind() == pickle::Kind::global) {
    const pickle::Global& global = function.as_global();
    name = global.module + "." + global.name;
    if (!has_function(call, name)) {
      name = global.name;
    }
  } else {
    raise_type_error("a function that the server has registered is named by itself or by a str");
  }
  if (!has_function(call, name)) {
    raise("AttributeError", {Value{"the server has registered no function '" + name + "'"}});
  }
  return make_item(name);
}

void expect_no_callbacks(const Arguments& args, std::size_t first) {
  if (!args.get(first).is_none() || !args.get(first + 1).is_none()) {
    raise_type_error("a callback would run where there is no Python");
  }
}

void apply_by(Invocation& call, std::string_view method) {
  const Arguments args = call.arguments({"func", "args", "kwds", "callback", "error_callback"}, 1);
  expect_no_callbacks(args, 3);
  if (args.get(2).truthy()) {
    raise_type_error("functions of C++ take arguments by their position");
  }
  std::vector<Item> items{function_of(call, args.at(0))};
  for (const Value& each : call.elements(args.get(1, Value::tuple({})))) {
    items.push_back(call.item(each));
  }
  call.ask(method, std::move(items));
}

void map_by(Invocation& call, std::string_view method, const MapSpec& wanted) {
  const Arguments args =
      call.arguments({"func", "iterable", "chunksize", "callback", "error_callback"}, 2);
  expect_no_callbacks(args, 3);
  MapSpec spec = wanted;
  if (!args.get(2).is_none()) {
    const std::int64_t size = args.at(2).as_int();
    if (size < 1) {
      raise_value_error("Chunksize must be 1+, not " + args.at(2).repr());
    }
    spec.chunksize = static_cast<std::uint64_t>(size);
  }
  std::vector<Item> items{function_of(call, args.at(0)), make_item(spec)};
  for (const Value& each : call.elements(args.at(1))) {
    items.push_back(call.item(each));
  }
  call.ask(method, std::move(items));
}

void apply(Invocation& call) {
  apply_by(call, "apply");
}
void apply_async(Invocation& call) {
  apply_by(call, "apply_async");
}
void map(Invocation& call) {
  map_by(call, "map", {0, false, true});
}
void map_async(Invocation& call) {
  map_by(call, "map_async", {0, false, true});
}
void starmap(Invocation& call) {
  map_by(call, "map", {0, true, true});
}
void starmap_async(Invocation& call) {
  map_by(call, "map_async", {0, true, true});
}
void imap(Invocation& call) {
  map_by(call, "imap", {1, false, true});
}
void imap_unordered(Invocation& call) {
  map_by(call, "imap", {1, false, false});
}

Value nothing(const Conversation& to, Outcome&& outcome) {
  try {
    static_cast<void>(as_it_is(to, std::move(outcome)));
  } catch (const UsageError& error) {
    raise_value_error(error.what());
  }
  return {};
}

void close(Invocation& call) {
  call.ask("close", {}, &nothing);
}
void terminate(Invocation& call) {
  call.ask("terminate", {}, &nothing);
}
void join(Invocation& call) {
  (void)call.arguments({});
  call.ask("join", {}, &nothing);
}

Value successful_answer(const Conversation& to, Outcome&& outcome) {
  try {
    return as_it_is(to, std::move(outcome));
  } catch (const UsageError& error) {
    raise_value_error(error.what());
  }
}

void get(Invocation& call) {
  call.ask("get", {make_item(time_to_wait(call.arguments({"timeout"}).get(0)))});
}
void wait(Invocation& call) {
  call.ask("wait", {make_item(time_to_wait(call.arguments({"timeout"}).get(0)))}, &nothing);
}
void ready(Invocation& call) {
  call.ask("ready", {});
}
void successful(Invocation& call) {
  call.ask("successful", {}, &successful_answer);
}

constexpr std::array kPool = {
    Method{"apply", &apply},
    Method{"apply_async", &apply_async},
    Method{"close", &close},
    Method{"imap", &imap},
    Method{"imap_unordered", &imap_unordered},
    Method{"join", &join},
    Method{"map", &map},
    Method{"map_async", &map_async},
    Method{"starmap", &starmap},
    Method{"starmap_async", &starmap_async},
    Method{"terminate", &terminate},
};
constexpr std::array kResult = {
    Method{"get", &get},
    Method{"ready", &ready},
    Method{"successful", &successful},
    Method{"wait", &wait},
};

}  // namespace

std::span<const Method> pool_methods() noexcept {
  return kPool;
}

std::span<const Method> pool_result_methods() noexcept {
  return kResult;
}

std::vector<Item> pool_arguments(const Request& request) {
  const Arguments args{request, {"processes", "initializer", "initargs", "maxtasksperchild"}};
  if (!args.get(1).is_none()) {
    raise_type_error("an initializer would run where there is no Python");
  }
  const auto number = [&args](std::size_t index) {
    const std::int64_t value = args.get(index).is_none() ? 0 : args.at(index).as_int();
    if (!args.get(index).is_none() && (value < 1 || value > kMost)) {
      raise_value_error("Number of processes must be at least 1");
    }
    return make_item(value);
  };
  return {make_item(Tags{}), number(0), number(3)};
}

}  // namespace mp::manager::python
