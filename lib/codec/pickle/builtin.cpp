// SPDX-License-Identifier: Apache-2.0
#include "codec/pickle/builtin.hpp"

#include "codec/pickle/protocol0.hpp"

namespace mp::pickle::detail {

namespace {

// The bytes that a text of Latin-1 stands for: how protocols below 3 write bytes.
std::optional<Value> encoded(const Items& args, bool mutable_bytes) {
  if (args.size() != 2 || args[0].kind() != Kind::string || args[1].kind() != Kind::string ||
      (args[1].as_string() != "latin1" && args[1].as_string() != "latin-1")) {
    return std::nullopt;
  }
  const auto text = to_latin1(args[0].as_string());
  if (!text) {
    return std::nullopt;
  }
  const ByteView bytes = std::as_bytes(std::span{*text});
  return mutable_bytes ? Value::byte_array(bytes) : Value::bytes(bytes);
}

bool is_sequence(const Value& value) {
  return value.kind() == Kind::list || value.kind() == Kind::tuple;
}

}  // namespace

void rename(Global& global) {
  if (global.module == "__builtin__" || global.module == "exceptions") {
    global.module = "builtins";
  } else if (global.module == "Queue" || (global.module == "_queue" && global.name == "Empty")) {
    global.module = "queue";
  } else if (global.module == "copy_reg") {
    global.module = "copyreg";
  }
}

std::optional<Value> builtin_call(const Value& type, const Value& arguments) {
  if (type.kind() != Kind::global) {
    return std::nullopt;
  }
  const auto& [module, name] = type.as_global();
  const Items& args = arguments.items();
  if (module == "_codecs" && name == "encode") {
    return encoded(args, false);
  }
  if (module != "builtins") {
    return std::nullopt;
  }
  if (name == "bytearray") {
    if (args.empty()) {
      return Value::byte_array({});
    }
    if (args.size() == 1 && args[0].kind() == Kind::bytes) {
      return Value::byte_array(args[0].as_bytes());
    }
    return encoded(args, true);
  }
  if (name == "bytes" && args.empty()) {
    return Value::bytes({});
  }
  const bool of_items = args.empty() || (args.size() == 1 && is_sequence(args[0]));
  if (!of_items) {
    return std::nullopt;
  }
  const auto items = [&args] { return args.empty() ? Items{} : args[0].items(); };
  if (name == "list") {
    return Value::list(items());
  }
  if (name == "set") {
    return Value::set(items());
  }
  if (name == "frozenset") {
    return Value::frozen_set(items());
  }
  return std::nullopt;
}

}  // namespace mp::pickle::detail
