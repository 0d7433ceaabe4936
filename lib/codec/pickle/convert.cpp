// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/pickle/convert.hpp"

#include <algorithm>
#include <utility>

#include "mp/errors/error.hpp"

#include "codec/pickle/node.hpp"

namespace mp::pickle::detail {

namespace {

std::string range_text(const std::string& least, const std::string& most) {
  return "an int from " + least + " to " + most;
}

// How the classes of Python that are dicts pickle: as an object with items set by key.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kDicts = {
    {{"collections", "OrderedDict"}, {"collections", "defaultdict"}, {"collections", "Counter"}}};

const Value* argument(const Object& object, std::size_t index) {
  const Items& args = object.args.items();
  return index < args.size() ? &args[index] : nullptr;
}

}  // namespace

void throw_bad_value(std::string_view expected, const Value& received) {
  throw DecodeError{"expected " + std::string{expected} + " but received " + received.repr(100)};
}

void throw_bad_count(std::size_t expected, std::size_t received) {
  throw DecodeError{"expected " + std::to_string(expected) + " elements but received " +
                    std::to_string(received)};
}

std::int64_t to_int(const Value& value, std::int64_t least, std::int64_t most) {
  if (value.kind() == Kind::big_integer) {
    throw_bad_value(range_text(std::to_string(least), std::to_string(most)), value);
  }
  const std::int64_t number = value.as_int();
  if (number < least || number > most) {
    throw_bad_value(range_text(std::to_string(least), std::to_string(most)), value);
  }
  return number;
}

std::uint64_t to_unsigned(const Value& value, std::uint64_t most) {
  std::uint64_t number = 0;
  bool fits = false;
  if (value.kind() == Kind::big_integer) {
    const ByteView bytes = value.as_bytes();
    // Nine bytes, of which the highest is only there for the sign.
    fits = bytes.size() == sizeof(number) + 1 && bytes.back() == std::byte{0};
    if (fits) {
      copy_bytes(&number, bytes.data(), sizeof(number));
    }
  } else {
    fits = value.as_int() >= 0;
    number = static_cast<std::uint64_t>(value.as_int());
  }
  if (!fits || number > most) {
    throw_bad_value(range_text("0", std::to_string(most)), value);
  }
  return number;
}

std::string to_text(const Value& value) {
  if (value.kind() == Kind::bytes || value.kind() == Kind::byte_array) {
    const ByteView bytes = value.as_bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  return value.as_string();
}

bool is_sequence(const Value& value, std::size_t* count) noexcept {
  if (value.kind() != Kind::list && value.kind() != Kind::tuple) {
    return false;
  }
  if (count != nullptr) {
    *count = Access::node<ItemsNode>(value).items.size();
  }
  return true;
}

const Items& to_sequence(const Value& value) {
  if (!is_sequence(value)) {
    throw_mismatch("list or tuple", value);
  }
  return value.items();
}

const Items& to_sequence(const Value& value, std::size_t count) {
  const Items& items = to_sequence(value);
  if (items.size() != count) {
    throw_bad_count(count, items.size());
  }
  return items;
}

const Items& to_set(const Value& value) {
  if (value.kind() != Kind::set && value.kind() != Kind::frozen_set) {
    throw_mismatch("set", value);
  }
  return value.items();
}

const Pairs& to_dict(const Value& value) {
  if (value.kind() == Kind::object) {
    const Object& object = value.as_object();
    const bool known = std::any_of(kDicts.begin(), kDicts.end(), [&object](const auto& each) {
      return object.is(each.first, each.second);
    });
    if (known) {
      // A Counter passes its items as an argument.
      const Value* first = argument(object, 0);
      return first != nullptr && first->kind() == Kind::dict ? first->pairs() : object.pairs;
    }
  }
  if (value.kind() != Kind::dict) {
    throw_mismatch("dict", value);
  }
  return value.pairs();
}

ByteView to_bytes(const Value& value) {
  if (value.kind() != Kind::bytes && value.kind() != Kind::byte_array) {
    throw_mismatch("bytes", value);
  }
  return value.as_bytes();
}

Items fields_in(const Value& value, std::span<const char* const> names, std::size_t count) {
  if (names.empty() || value.kind() != Kind::dict) {
    return to_sequence(value, count);
  }
  Items fields;
  for (const char* name : names) {
    const Value* field = value.find(Value{name});
    if (field == nullptr) {
      throw DecodeError{"the dict has no \"" + std::string{name} + "\""};
    }
    fields.push_back(*field);
  }
  return fields;
}

}  // namespace mp::pickle::detail
