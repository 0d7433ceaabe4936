// SPDX-License-Identifier: Apache-2.0
// Clients that have proved the key and ask for anything: frames of mp's own wire, pickles, and
// calls of CPython's with methods that are there and arguments of any kind. A server with one
// object of each type has to answer, refuse or keep each, and forget it all when they are gone.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "mp/manager.hpp"

#include "connection/endpoints.hpp"
#include "manager/protocol_layout.hpp"
#include "manager/python/protocol.hpp"
#include "manager/server.hpp"

namespace {

using mp::manager::python::Items;
using mp::manager::python::Pairs;
using mp::manager::python::Request;
using mp::manager::python::Value;

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_{data}, size_{size} {}
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  std::uint8_t byte() {
    if (size_ == 0) {
      return 0;
    }
    --size_;
    return *data_++;
  }
  mp::Bytes bytes() {
    const std::size_t wanted = byte();
    const std::size_t count = wanted < size_ ? wanted : size_;
    mp::Bytes taken(count);
    if (count != 0) {
      std::memcpy(taken.data(), data_, count);
    }
    data_ += count;
    size_ -= count;
    return taken;
  }
  std::string text() {
    const mp::Bytes taken = bytes();
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

struct Client final : mp::manager::Peer {};

constexpr std::array kMethods = {
    "__getitem__", "__setitem__", "__delitem__", "__contains__", "__len__",
    "__iter__",    "__next__",    "__add__",     "__mul__",      "__imul__",
    "__or__",      "__xor__",     "append",      "extend",       "insert",
    "pop",         "popitem",     "remove",      "index",        "count",
    "sort",        "reverse",     "update",      "setdefault",   "get",
    "put",         "task_done",   "join",        "acquire",      "release",
    "wait",        "notify",      "notify_all",  "set",          "clear",
    "is_set",      "abort",       "reset",       "increment",    "items",
    "#GETVALUE",   "__repr__",    "add",         "discard",      "__getattribute__",
    "__setattr__", "__delattr__", "copy"};
constexpr std::array kTypes = {
    "dict",          "list",    "set",   "Namespace", "Queue",
    "JoinableQueue", "Value",   "Lock",  "RLock",     "Semaphore",
    "Condition",     "Barrier", "Event", "Array",     "BoundedSemaphore"};

Value value(Input& in, int depth = 0) {
  switch (in.byte() % (depth < 3 ? 13 : 8)) {
    case 0:
      return {};
    case 1:
      return Value{in.byte() % 2 == 0};
    case 2:
      return Value{static_cast<std::int8_t>(in.byte())};
    case 3:
      return Value{INT64_MAX - in.byte()};
    case 4:
      return Value{in.byte() / 7.0};
    case 5:
      return Value{in.text()};
    case 6:
      return Value::bytes(in.bytes());
    case 7: {
      const int id = in.byte() % 20;
      return mp::manager::python::to_value(mp::manager::python::ProxyPickle{
          "AutoProxy", {kTypes[in.byte() % kTypes.size()], Value{in.text()}, std::to_string(id)}});
    }
    case 8:
      return Value::object("builtins", in.byte() % 2 == 0 ? "slice" : "range",
                           {value(in, 3), value(in, 3), value(in, 3)});
    default: {
      Items items;
      for (int count = in.byte() % 5; count != 0; --count) {
        items.push_back(value(in, depth + 1));
      }
      switch (in.byte() % 5) {
        case 0:
          return Value::tuple(std::move(items));
        case 1:
          return Value::set(std::move(items));
        case 2:
          return Value::frozen_set(std::move(items));
        case 3:
          return Value::dict({{value(in, 3), Value::list(items)}});
        default:
          return Value::list(std::move(items));
      }
    }
  }
}

Request request(Input& in) {
  Request made;
  if (in.byte() % 8 != 0) {
    made.id = std::to_string(in.byte() % 20);
  }
  made.method = kMethods[in.byte() % kMethods.size()];
  for (int count = in.byte() % 4; count != 0; --count) {
    made.args.push_back(value(in));
  }
  if (in.byte() % 8 == 0) {
    made.kwds.emplace_back("timeout", value(in));
  }
  return made;
}

void say(mp::manager::Server& server, Client& client, mp::ByteView frame) {
  try {
    server.on_frame(client, frame);
  } catch (const std::exception&) {
    server.on_gone(client);  // as the loop does
  }
  client.out.clear();
}

void ask(mp::manager::Server& server, Client& client, const Request& request) {
  say(server, client, mp::manager::python::write_request(request));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input in{data, size};
  const mp::Address address = mp::connection::random_address("mp-fuzz-");
  mp::manager::Server server{mp::connection::listen_on(address, 1), address,
                             mp::manager::LoopOptions{.authkey = "key"}, mp::Registry{}, true};
  std::array<Client, 2> sessions;
  for (Client& session : sessions) {
    ask(server, session, {std::nullopt, "accept_connection", {Value{"fuzz"}}});
  }
  for (const char* type : kTypes) {
    Client maker;
    Request create{std::nullopt, "create", {Value{type}}};
    const std::string name = type;
    if (name == "Barrier") {
      create.args.emplace_back(2);
    } else if (name == "Value" || name == "Array") {
      create.args.emplace_back("i");
      create.args.push_back(Value::list({1, 2}));
    }
    ask(server, maker, create);
    server.on_gone(maker);
  }
  Client native;
  say(server, native, std::as_bytes(std::span{mp::layout::kAskForNative}));
  while (!in.empty()) {
    const std::uint8_t kind = in.byte();
    Client& session = sessions[kind % 2];
    switch (kind % 7) {
      case 0:
        say(server, native, in.bytes());
        break;
      case 1: {
        Client stranger;
        say(server, stranger, in.bytes());
        server.on_gone(stranger);
        break;
      }
      case 2:
        say(server, session, in.bytes());
        break;
      case 3: {
        Client maker;
        Request create{std::nullopt, "create", {Value{kTypes[in.byte() % kTypes.size()]}}};
        create.args.push_back(value(in));
        ask(server, maker, create);
        server.on_gone(maker);
        break;
      }
      default:
        ask(server, session, request(in));
    }
    if (!session.python) {
      ask(server, session, {std::nullopt, "accept_connection", {Value{"again"}}});
    }
  }
  for (Client& session : sessions) {
    server.on_gone(session);
  }
  server.on_gone(native);
  return 0;
}
