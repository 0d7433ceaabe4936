// SPDX-License-Identifier: Apache-2.0
// Lists and arrays. What ours do not have (slices with steps, multiples) is made of their copies:
// nobody comes in between.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "manager/python/items.hpp"
#include "manager/python/methods.hpp"

namespace mp::manager::python {

namespace {

using pickle::Kind;

Items all(const Invocation& call) {
  return call.values_of("copy");
}

std::vector<Item> items_of(const Invocation& call, const Items& values) {
  std::vector<Item> items;
  items.reserve(values.size());
  for (const Value& value : values) {
    items.push_back(call.item(value));
  }
  return items;
}

// All new values are looked at before the old ones go.
void put_all(const Invocation& call, const Items& values) {
  std::vector<Item> items = items_of(call, values);
  const std::vector<Item> before = call.run("copy").items;
  call.run("clear");
  try {
    call.run("extend", std::move(items));
  } catch (...) {
    call.run("extend", before);
    throw;
  }
}

std::int64_t index_of(const Value& value) {
  if (value.kind() != Kind::integer && value.kind() != Kind::boolean) {
    raise_type_error("list indices must be integers or slices, not " +
                     std::string{name_of(value.kind())});
  }
  return value.as_int();
}

bool is_slice(const Value& value) {
  return value.kind() == Kind::object && value.as_object().is("builtins", "slice") &&
         value.as_object().args.items().size() == 3;
}

struct Slice {
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::int64_t count = 0;
  [[nodiscard]] std::size_t at(std::int64_t i) const {
    return static_cast<std::size_t>(start + i * step);
  }
};

Slice slice_of(const Value& value, std::int64_t size) {
  const Items& args = value.as_object().args.items();
  const std::int64_t step = args[2].is_none() ? 1 : index_of(args[2]);
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (step == 0 || step > kMost || step < -kMost) {
    raise_value_error("slice step cannot be zero, nor that large");
  }
  const std::int64_t least = step < 0 ? -1 : 0;
  const std::int64_t most = step < 0 ? size - 1 : size;
  const auto bound = [&](const Value& end, std::int64_t otherwise) {
    if (end.is_none()) {
      return otherwise;
    }
    const std::int64_t position = index_of(end);
    return std::clamp(position < 0 ? std::max(position, -size - 1) + size : position, least, most);
  };
  const std::int64_t start = bound(args[0], step < 0 ? most : least);
  const std::int64_t stop = bound(args[1], step < 0 ? least : most);
  const std::int64_t count =
      step < 0 ? (start - stop - step - 1) / -step : (stop - start + step - 1) / step;
  return {start, step, std::max<std::int64_t>(count, 0)};
}

void raise_out_of_range(const Invocation& call, std::int64_t index) {
  const std::int64_t size = call.value_of("__len__").as_int();
  if (index >= size || index < -size) {
    raise("IndexError", {Value{call.object().type() + " index out of range"}});
  }
}

Item position(const Invocation& call, const Value& value) {
  const std::int64_t index = index_of(value);
  raise_out_of_range(call, index);
  return make_item(index);
}

void get_item(Invocation& call) {
  const Value index = call.arguments({"index"}, 1).at(0);
  if (!is_slice(index)) {
    call.reply(call.value_of("__getitem__", {position(call, index)}));
    return;
  }
  const Items items = all(call);
  const Slice slice = slice_of(index, static_cast<std::int64_t>(items.size()));
  Items chosen;
  for (std::int64_t i = 0; i != slice.count; ++i) {
    chosen.push_back(items[slice.at(i)]);
  }
  call.reply(Value::list(std::move(chosen)));
}

void set_item(Invocation& call) {
  const Arguments args = call.arguments({"index", "value"}, 2);
  if (!is_slice(args.at(0))) {
    call.run("__setitem__", {position(call, args.at(0)), call.item(args.at(1))});
    call.reply();
    return;
  }
  Items items = all(call);
  const Items values = call.elements(args.at(1));
  const Slice slice = slice_of(args.at(0), static_cast<std::int64_t>(items.size()));
  const bool same_size = values.size() == static_cast<std::size_t>(slice.count);
  const bool is_array = call.object().type() == "Array";
  if (same_size) {
    for (std::int64_t i = 0; i != slice.count; ++i) {
      items[slice.at(i)] = values[static_cast<std::size_t>(i)];
    }
  } else if (slice.step != 1 || is_array) {
    raise_value_error("attempt to assign sequence of size " + std::to_string(values.size()) +
                      " to a slice of size " + std::to_string(slice.count));
  } else {
    const auto first = items.begin() + slice.start;
    items.erase(first, first + slice.count);
    items.insert(items.begin() + slice.start, values.begin(), values.end());
  }
  if (is_array) {
    for (std::size_t i = 0; i != items.size(); ++i) {
      call.run("__setitem__", {make_item(static_cast<std::int64_t>(i)), call.item(items[i])});
    }
  } else {
    put_all(call, items);
  }
  call.reply();
}

void delete_item(Invocation& call) {
  const Value index = call.arguments({"index"}, 1).at(0);
  if (!is_slice(index)) {
    call.run("__delitem__", {position(call, index)});
    call.reply();
    return;
  }
  Items items = all(call);
  const Slice slice = slice_of(index, static_cast<std::int64_t>(items.size()));
  std::vector<bool> goes(items.size());
  for (std::int64_t i = 0; i != slice.count; ++i) {
    goes[slice.at(i)] = true;
  }
  Items rest;
  for (std::size_t i = 0; i != items.size(); ++i) {
    if (!goes[i]) {
      rest.push_back(items[i]);
    }
  }
  put_all(call, rest);
  call.reply();
}

void length(Invocation& call) {
  call.reply(call.value_of("__len__"));
}

void contains(Invocation& call) {
  const Value value = call.arguments({"value"}, 1).at(0);
  const Items items = all(call);
  call.reply(Value{std::find(items.begin(), items.end(), value) != items.end()});
}

void count(Invocation& call) {
  const Value value = call.arguments({"value"}, 1).at(0);
  const Items items = all(call);
  call.reply(Value{std::count(items.begin(), items.end(), value)});
}

// The position of a value, or ValueError.
std::int64_t find(const Invocation& call, const Value& value, const Value& start,
                  const Value& stop) {
  const Items items = all(call);
  const auto size = static_cast<std::int64_t>(items.size());
  const auto clip = [size](std::int64_t position) {
    return std::clamp(position < 0 ? position + size : position, std::int64_t{0}, size);
  };
  const auto end = items.begin() + (stop.is_none() ? size : clip(index_of(stop)));
  const auto begin = items.begin() + (start.is_none() ? 0 : clip(index_of(start)));
  const auto found = begin < end ? std::find(begin, end, value) : end;
  if (found == end) {
    raise_value_error(value.repr() + " is not in list");
  }
  return found - items.begin();
}

void index(Invocation& call) {
  const Arguments args = call.arguments({"value", "start", "stop"}, 1);
  call.reply(Value{find(call, args.at(0), args.get(1), args.get(2))});
}

void remove(Invocation& call) {
  const Value value = call.arguments({"value"}, 1).at(0);
  call.run("__delitem__", {make_item(find(call, value, {}, {}))});
  call.reply();
}

void append(Invocation& call) {
  call.run("append", {call.item(call.arguments({"object"}, 1).at(0))});
  call.reply();
}

void extend(Invocation& call) {
  call.run("extend", items_of(call, call.elements(call.arguments({"iterable"}, 1).at(0))));
  call.reply();
}

void insert(Invocation& call) {
  const Arguments args = call.arguments({"index", "object"}, 2);
  call.run("insert", {make_item(index_of(args.at(0))), call.item(args.at(1))});
  call.reply();
}

void pop(Invocation& call) {
  const Arguments args = call.arguments({"index"});
  if (call.value_of("__len__").as_int() == 0) {
    raise("IndexError", {Value{"pop from empty list"}});
  }
  call.reply(call.value_of("pop", {position(call, args.get(0, Value{-1}))}));
}

void reverse(Invocation& call) {
  call.run("reverse");
  call.reply();
}

void reversed(Invocation& call) {
  call.reply(Value::object("builtins", "reversed", {Value::list(all(call))}));
}

void clear(Invocation& call) {
  call.run("clear");
  call.reply();
}

void copy(Invocation& call) {
  call.reply(Value::list(all(call)));
}

void add(Invocation& call) {
  Items items = all(call);
  const Items others = call.elements(call.arguments({"other"}, 1).at(0));
  items.insert(items.end(), others.begin(), others.end());
  call.reply(Value::list(std::move(items)));
}

Items multiplied(const Items& items, std::int64_t times) {
  constexpr std::int64_t kMost = 1 << 20;
  Items all;
  if (items.empty() || times <= 0) {
    return all;
  }
  if (static_cast<std::int64_t>(items.size()) > kMost / times) {
    raise("MemoryError", {});
  }
  for (; times > 0; --times) {
    all.insert(all.end(), items.begin(), items.end());
  }
  return all;
}

void multiply(Invocation& call) {
  call.reply(Value::list(multiplied(all(call), index_of(call.arguments({"n"}, 1).at(0)))));
}

void multiply_in_place(Invocation& call) {
  put_all(call, multiplied(all(call), index_of(call.arguments({"n"}, 1).at(0))));
  call.reply();
}

bool is_number(const Value& value) {
  return value.kind() >= Kind::boolean && value.kind() <= Kind::real;
}

// Python's <, for the types that have one and nest.
bool less(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) {
    const bool whole = a.kind() != Kind::real && b.kind() != Kind::real;
    return whole ? a.as_int() < b.as_int() : a.as_real() < b.as_real();
  }
  if (a.kind() == Kind::string && b.kind() == Kind::string) {
    return a.as_string() < b.as_string();  // UTF-8 has the order of the characters
  }
  if (a.kind() == Kind::bytes && b.kind() == Kind::bytes) {
    return std::lexicographical_compare(a.as_bytes().begin(), a.as_bytes().end(),
                                        b.as_bytes().begin(), b.as_bytes().end());
  }
  if (a.kind() == b.kind() && (a.kind() == Kind::tuple || a.kind() == Kind::list)) {
    const auto [left, right] =
        std::mismatch(a.items().begin(), a.items().end(), b.items().begin(), b.items().end());
    if (right == b.items().end() || left == a.items().end()) {
      return right != b.items().end();
    }
    return less(*left, *right);
  }
  raise_type_error("'<' not supported between instances of '" + std::string{name_of(a.kind())} +
                   "' and '" + std::string{name_of(b.kind())} + "'");
}

void sort(Invocation& call) {
  const Arguments args = call.arguments({"key", "reverse"});
  if (!args.get(0).is_none()) {
    raise_type_error("sort() runs where there is no Python, and takes no key");
  }
  const bool backwards = args.get(1).truthy();
  Items items = all(call);
  // Ties stay in order, backwards too.
  std::stable_sort(items.begin(), items.end(), [backwards](const Value& a, const Value& b) {
    return backwards ? less(b, a) : less(a, b);
  });
  put_all(call, items);
  call.reply();
}

void repr(Invocation& call) {
  call.reply(Value{Value::list(all(call)).repr()});
}

constexpr std::array kList = {
    Method{"__add__", &add},
    Method{"__contains__", &contains},
    Method{"__delitem__", &delete_item},
    Method{"__getitem__", &get_item},
    Method{"__imul__", &multiply_in_place},
    Method{"__len__", &length},
    Method{"__mul__", &multiply},
    Method{"__reversed__", &reversed},
    Method{"__rmul__", &multiply},
    Method{"__setitem__", &set_item},
    Method{"append", &append},
    Method{"clear", &clear},
    Method{"copy", &copy},
    Method{"count", &count},
    Method{"extend", &extend},
    Method{"index", &index},
    Method{"insert", &insert},
    Method{"pop", &pop},
    Method{"remove", &remove},
    Method{"reverse", &reverse},
    Method{"sort", &sort},
    Method{"__repr__", &repr, false},
    Method{"__str__", &repr, false},
    Method{"#GETVALUE", &copy, false},
};

constexpr std::array kArray = {
    Method{"__len__", &length},        Method{"__getitem__", &get_item},
    Method{"__setitem__", &set_item},  Method{"__contains__", &contains, false},
    Method{"__repr__", &repr, false},  Method{"__str__", &repr, false},
    Method{"#GETVALUE", &copy, false},
};

}  // namespace

std::span<const Method> list_methods() noexcept {
  return kList;
}

std::span<const Method> array_methods() noexcept {
  return kArray;
}

}  // namespace mp::manager::python
