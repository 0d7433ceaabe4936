// SPDX-License-Identifier: Apache-2.0
#include "manager/python/protocol.hpp"

#include <array>
#include <exception>
#include <utility>

#include "mp/codec/pickle/exception.hpp"
#include "mp/errors/error.hpp"
#include "mp/errors/remote_error.hpp"

namespace mp::manager::python {

namespace {

using pickle::Kind;

constexpr std::string_view kModule = "multiprocessing.managers";
constexpr std::size_t kRequestParts = 4;

constexpr std::array<std::string_view, 5> kKinds = {"#RETURN", "#ERROR", "#TRACEBACK", "#PROXY",
                                                    "#UNSERIALIZABLE"};

[[noreturn]] void refuse(std::string_view what, ByteView message) {
  throw DecodeError{what, Bytes(message.begin(), message.end())};
}

Bytes reply(Reply::Kind kind, const Value& what) {
  return pickle::encode(Value::tuple({Value{kKinds.at(static_cast<std::size_t>(kind))}, what}));
}

Value names(std::span<const std::string> all) {
  Items items;
  for (const std::string& each : all) {
    items.emplace_back(each);
  }
  return Value::tuple(std::move(items));
}

// Nothing if it is no tuple or list of str.
std::optional<std::vector<std::string>> names_of(const Value& value) {
  if (value.kind() != Kind::tuple && value.kind() != Kind::list) {
    return std::nullopt;
  }
  std::vector<std::string> all;
  for (const Value& item : value.items()) {
    if (item.kind() != Kind::string) {
      return std::nullopt;
    }
    all.push_back(item.as_string());
  }
  return all;
}

bool is_tuple(const Value& value, std::size_t size) {
  return value.kind() == Kind::tuple && value.items().size() == size;
}

}  // namespace

Request read_request(ByteView message) {
  const Value value = pickle::decode(message);
  if (!is_tuple(value, kRequestParts)) {
    refuse("a request is a tuple of four", message);
  }
  const Items& parts = value.items();
  const bool has_id = parts[0].kind() == Kind::string;
  const bool good = parts[1].kind() == Kind::string &&
                    (parts[2].kind() == Kind::tuple || parts[2].kind() == Kind::list) &&
                    parts[3].kind() == Kind::dict;
  if (!good) {
    refuse("a request has a method, a tuple of arguments and a dict of them", message);
  }
  for (const auto& [name, argument] : parts[3].pairs()) {
    if (name.kind() != Kind::string) {
      refuse("the name of an argument is a str", message);
    }
  }
  return {has_id ? std::optional{parts[0].as_string()} : std::nullopt, parts[1].as_string(),
          parts[2].items(), parts[3].pairs()};
}

Bytes write_request(const Request& request) {
  return pickle::encode(
      Value::tuple({request.id ? Value{*request.id} : Value{}, Value{request.method},
                    Value::tuple(request.args), Value::dict(request.kwds)}));
}

Reply read_reply(ByteView message) {
  const Value value = pickle::decode(message);
  if (!is_tuple(value, 2) || value.items()[0].kind() != Kind::string) {
    refuse("a reply is a tuple of a kind and a value", message);
  }
  const std::string& name = value.items()[0].as_string();
  const Value& what = value.items()[1];
  std::size_t number = 0;
  while (number != kKinds.size() && kKinds.at(number) != name) {
    ++number;
  }
  if (number == kKinds.size()) {
    refuse("there is no reply of the kind " + Value{name}.repr(), message);
  }
  Reply reply{.kind = static_cast<Reply::Kind>(number), .value = what};
  const bool is_text =
      reply.kind == Reply::Kind::traceback || reply.kind == Reply::Kind::unserializable;
  if (is_text && what.kind() != Kind::string) {
    refuse("the text of a reply is a str", message);
  }
  if (reply.kind == Reply::Kind::proxy) {
    auto exposed = is_tuple(what, 2) ? names_of(what.items()[0]) : std::nullopt;
    auto token = exposed ? token_of(what.items()[1]) : std::nullopt;
    if (!token) {
      refuse("a reply with a proxy has names and a token", message);
    }
    reply.value = {};
    reply.exposed = *std::move(exposed);
    reply.token = *std::move(token);
  }
  return reply;
}

Bytes value_reply(const Value& value) {
  return reply(Reply::Kind::value, value);
}

Bytes error_reply(const std::exception_ptr& error) {
  return error_reply(pickle::from_exception(error));
}

Bytes error_reply(const Value& exception) {
  return reply(Reply::Kind::error, exception);
}

Bytes traceback_reply(std::string_view text) {
  return reply(Reply::Kind::traceback, Value{text});
}

Bytes unserializable_reply(std::string_view text) {
  return reply(Reply::Kind::unserializable, Value{text});
}

Bytes proxy_reply(std::span<const std::string> exposed, const Token& token) {
  return reply(Reply::Kind::proxy, Value::tuple({names(exposed), to_value(token)}));
}

Value to_value(const Created& created) {
  return Value::tuple({Value{created.id}, names(created.exposed)});
}

Created created_of(const Value& value) {
  if (is_tuple(value, 2) && value.items()[0].kind() == Kind::string) {
    if (auto exposed = names_of(value.items()[1])) {
      return {value.items()[0].as_string(), *std::move(exposed)};
    }
  }
  pickle::detail::throw_mismatch("(ident, exposed)", value);
}

Value to_value(const Token& token) {
  return Value::object({.type = Value::global(kModule, "Token"),
                        .state = Value::tuple({Value{token.type}, token.address, Value{token.id}}),
                        .by = pickle::Object::By::alloc});
}

std::optional<Token> token_of(const Value& value) {
  if (value.kind() != Kind::object || !value.as_object().is(kModule, "Token")) {
    return std::nullopt;
  }
  const Value& state = value.as_object().state;
  if (!is_tuple(state, 3) || state.items()[0].kind() != Kind::string ||
      state.items()[2].kind() != Kind::string) {
    return std::nullopt;
  }
  return Token{state.items()[0].as_string(), state.items()[1], state.items()[2].as_string()};
}

Value to_value(const ProxyPickle& proxy) {
  Pairs kwds;
  if (proxy.proxy_class == "AutoProxy") {
    kwds.emplace_back("exposed", names(proxy.exposed));
  }
  return Value::object(kModule, "RebuildProxy",
                       {Value::global(kModule, proxy.proxy_class), to_value(proxy.token),
                        Value{"pickle"}, Value::dict(std::move(kwds))});
}

std::optional<ProxyPickle> proxy_of(const Value& value) {
  if (value.kind() != Kind::object || !value.as_object().is(kModule, "RebuildProxy")) {
    return std::nullopt;
  }
  const Items& args = value.as_object().args.items();
  constexpr std::size_t kArguments = 4;
  if (args.size() != kArguments || args[0].kind() != Kind::global || args[3].kind() != Kind::dict) {
    return std::nullopt;
  }
  auto token = token_of(args[1]);
  if (!token) {
    return std::nullopt;
  }
  ProxyPickle proxy{args[0].as_global().name, *std::move(token)};
  if (const Value* exposed = args[3].find(Value{"exposed"}); exposed != nullptr) {
    if (auto all = names_of(*exposed)) {
      proxy.exposed = *std::move(all);
    }
  }
  return proxy;
}

Value to_value(const Address& address) {
  switch (address.kind()) {
    case Address::Kind::tcp:
      return Value::tuple({Value{address.host()}, Value{address.port()}});
    case Address::Kind::unix_socket:
      return Value{address.path()};
    case Address::Kind::abstract_socket:
      return Value{std::string(1, '\0') + address.path()};
    case Address::Kind::none:
      break;
  }
  return {};
}

std::optional<Address> address_of(const Value& value) {
  if (value.kind() == Kind::string || value.kind() == Kind::bytes) {
    const std::string path = pickle::to<std::string>(value);
    if (path.empty()) {
      return std::nullopt;
    }
    return path.front() == '\0' ? abstract_socket(path.substr(1)) : unix_socket(path);
  }
  constexpr std::int64_t kLastPort = 65535;
  if (is_tuple(value, 2) && value.items()[0].kind() == Kind::string &&
      value.items()[1].kind() == Kind::integer && value.items()[1].as_int() >= 0 &&
      value.items()[1].as_int() <= kLastPort) {
    return tcp(value.items()[0].as_string(), static_cast<int>(value.items()[1].as_int()));
  }
  return std::nullopt;
}

void rethrow_error(const Reply& reply) {
  switch (reply.kind) {
    case Reply::Kind::value:
    case Reply::Kind::proxy:
      return;
    case Reply::Kind::error:
      std::rethrow_exception(pickle::to_exception(reply.value));
    case Reply::Kind::traceback: {
      RemoteInfo info;
      info.stack = reply.value.as_string();
      std::string_view text{info.stack};
      while (text.ends_with('\n')) {
        text.remove_suffix(1);
      }
      // It may end in a line of dashes.
      if (text.ends_with("---")) {
        text = text.substr(0, text.find_last_of('\n'));
      }
      std::string last{text.substr(text.find_last_of('\n') + 1)};
      info.type_name = last.substr(0, last.find(':'));
      throw RemoteError{last, std::move(info)};
    }
    case Reply::Kind::unserializable: {
      RemoteInfo info;
      info.type_name = "MaybeEncodingError";
      throw RemoteError{"the server cannot send this: " + reply.value.as_string(), std::move(info)};
    }
  }
}

}  // namespace mp::manager::python
