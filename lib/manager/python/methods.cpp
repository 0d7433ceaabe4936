// SPDX-License-Identifier: Apache-2.0
#include "manager/python/methods.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "manager/python/conversation.hpp"
#include "manager/python/items.hpp"
#include "manager/server.hpp"

namespace mp::manager::python {

namespace {

using pickle::Kind;

struct Table {
  std::string_view type;
  std::span<const Method> (*methods)() noexcept;
};

constexpr std::array<Table, 18> kTables = {{
    {"dict", &dict_methods},
    {"list", &list_methods},
    {"Array", &array_methods},
    {"set", &set_methods},
    {"Namespace", &namespace_methods},
    {"Value", &value_methods},
    {"Iterator", &iterator_methods},
    {"Queue", &queue_methods},
    {"JoinableQueue", &queue_methods},
    {"Lock", &lock_methods},
    {"RLock", &lock_methods},
    {"Semaphore", &semaphore_methods},
    {"BoundedSemaphore", &semaphore_methods},
    {"Condition", &condition_methods},
    {"Event", &event_methods},
    {"Barrier", &barrier_methods},
    {"Pool", &pool_methods},
    {"AsyncResult", &pool_result_methods},
}};

constexpr double kNanoseconds = 1e9;
constexpr double kForEver = 9e9;  // seconds; no int64 holds more nanoseconds

std::int64_t nanoseconds(double seconds) {
  return seconds < kForEver ? static_cast<std::int64_t>(seconds * kNanoseconds) : -1;
}

}  // namespace

void raise(std::string_view type, Items args, std::string_view module) {
  throw Raised{Value::object(module, type, std::move(args))};
}

void raise_type_error(std::string_view text) {
  raise("TypeError", {Value{text}});
}

void raise_value_error(std::string_view text) {
  raise("ValueError", {Value{text}});
}

Arguments::Arguments(const Request& request, std::initializer_list<std::string_view> names,
                     std::size_t required)
    : values_(names.size()) {
  if (request.args.size() > names.size()) {
    raise_type_error(request.method + "() takes at most " + std::to_string(names.size()) +
                     " arguments, and " + std::to_string(request.args.size()) + " were given");
  }
  for (std::size_t i = 0; i != request.args.size(); ++i) {
    values_[i] = &request.args[i];
  }
  for (const auto& [name, value] : request.kwds) {
    const auto* const found = std::find(names.begin(), names.end(), name.as_string());
    if (found == names.end() || values_[static_cast<std::size_t>(found - names.begin())]) {
      raise_type_error(request.method + "() got an unexpected argument " + name.repr());
    }
    values_[static_cast<std::size_t>(found - names.begin())] = &value;
  }
  for (std::size_t i = 0; i != required; ++i) {
    if (values_[i] == nullptr) {
      raise_type_error(request.method + "() misses the argument '" + std::string{names.begin()[i]} +
                       "'");
    }
  }
}

std::int64_t time_to_wait(const Value& blocking, const Value& timeout) {
  const bool is_endless =
      timeout.is_none() || (timeout.kind() != Kind::string && timeout.as_real() == -1);
  if (!blocking.truthy()) {
    return 0;
  }
  if (is_endless) {
    return -1;
  }
  const double seconds = timeout.as_real();
  if (!(seconds >= 0)) {
    raise_value_error("'timeout' must be a non-negative number");
  }
  return nanoseconds(seconds);
}

std::int64_t time_to_wait(const Value& timeout) {
  if (timeout.is_none()) {
    return -1;
  }
  const double seconds = timeout.as_real();
  return seconds > 0 ? nanoseconds(seconds) : 0;
}

Value as_it_is(const Conversation& to, Outcome&& outcome) {
  switch (outcome.kind) {
    case layout::ReplyKind::nothing:
    case layout::ReplyKind::object:
      return {};
    case layout::ReplyKind::value:
      return value_of(outcome.items.front(), to.address());
    case layout::ReplyKind::values: {
      Items values;
      for (const Item& item : outcome.items) {
        values.push_back(value_of(item, to.address()));
      }
      return Value::list(std::move(values));
    }
    case layout::ReplyKind::error:
      break;
  }
  std::rethrow_exception(outcome.error);
}

Value Invocation::value_of(std::string_view method, std::vector<Item> args) const {
  return as_it_is(from_, run(method, std::move(args)));
}

Items Invocation::values_of(std::string_view method, std::vector<Item> args) const {
  return as_it_is(from_, run(method, std::move(args))).items();
}

Items Invocation::elements(const Value& iterable) const {
  switch (iterable.kind()) {
    case Kind::list:
    case Kind::tuple:
    case Kind::set:
    case Kind::frozen_set:
      return iterable.items();
    case Kind::dict: {
      Items keys;
      for (const auto& [key, value] : iterable.pairs()) {
        keys.push_back(key);
      }
      return keys;
    }
    case Kind::string: {
      Items characters;
      const std::string& text = iterable.as_string();
      for (std::size_t at = 0; at != text.size();) {
        std::size_t end = at + 1;
        constexpr unsigned kTop = 0xc0;
        constexpr unsigned kContinued = 0x80;
        while (end != text.size() && (static_cast<unsigned char>(text[end]) & kTop) == kContinued) {
          ++end;
        }
        characters.emplace_back(text.substr(at, end - at));
        at = end;
      }
      return characters;
    }
    case Kind::bytes:
    case Kind::byte_array: {
      Items numbers;
      for (const std::byte each : iterable.as_bytes()) {
        numbers.emplace_back(std::to_integer<int>(each));
      }
      return numbers;
    }
    default:
      break;
  }
  if (const ObjectPtr object = object_of(iterable, server())) {
    const bool is_dict = object->type() == "dict";
    if (is_dict || object->type() == "list" || object->type() == "set" ||
        object->type() == "Array") {
      return as_it_is(from_, run_on(*object, is_dict ? "keys" : "copy")).items();
    }
  }
  // range(): as good as a list of numbers, if it is not too long a one.
  if (iterable.kind() == Kind::object && iterable.as_object().is("builtins", "range")) {
    constexpr std::int64_t kMost = 1 << 20;
    constexpr std::int64_t kFar = std::int64_t{1} << 53;
    const Items& args = iterable.as_object().args.items();
    const std::int64_t start = args.at(0).as_int();
    const std::int64_t stop = args.at(1).as_int();
    const std::int64_t step = args.at(2).as_int();
    const bool is_far = std::max({std::abs(start), std::abs(stop), std::abs(step)}) > kFar;
    if (step == 0 || is_far || (stop - start) / step > kMost) {
      raise_value_error("the range is too long");
    }
    Items numbers;
    for (std::int64_t i = start; step > 0 ? i < stop : i > stop; i += step) {
      numbers.emplace_back(i);
    }
    return numbers;
  }
  raise_type_error("'" + std::string{name_of(iterable.kind())} + "' object is not iterable");
}

Pairs Invocation::pairs(const Value& mapping) const {
  if (mapping.kind() == Kind::dict) {
    return mapping.pairs();
  }
  if (mapping.kind() == Kind::object && !mapping.as_object().pairs.empty()) {
    return mapping.as_object().pairs;  // OrderedDict, defaultdict, Counter
  }
  Pairs pairs;
  if (const ObjectPtr object = object_of(mapping, server()); object && object->type() == "dict") {
    const Items flat = as_it_is(from_, run_on(*object, "items")).items();
    for (std::size_t i = 0; i + 1 < flat.size(); i += 2) {
      pairs.emplace_back(flat[i], flat[i + 1]);
    }
    return pairs;
  }
  for (const Value& element : elements(mapping)) {
    const Items pair = elements(element);
    if (pair.size() != 2) {
      raise_value_error("dictionary update sequence element has length " +
                        std::to_string(pair.size()) + "; 2 is required");
    }
    pairs.emplace_back(pair[0], pair[1]);
  }
  return pairs;
}

std::span<const Method> methods_of(const Served& object) noexcept {
  const auto* found = std::find_if(kTables.begin(), kTables.end(),
                                   [&](const Table& table) { return table.type == object.type(); });
  return found == kTables.end() ? std::span<const Method>{} : found->methods();
}

}  // namespace mp::manager::python
