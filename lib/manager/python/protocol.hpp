// SPDX-License-Identifier: Apache-2.0
// manager/python/protocol.hpp — what CPython's managers and their clients say to each other.
//
// Bytes to values and back; no socket. Each message is one frame with one pickle in it, as 3.8 to
// 3.14 write and read it:
//
//   request    (ident, method, args, kwds)
//   reply      (kind, what):  '#RETURN' value | '#ERROR' exception | '#TRACEBACK' text
//              '#PROXY' (exposed, token)      | '#UNSERIALIZABLE' text
//
// The first request on a connection is for the server itself, with None for ident: dummy, create,
// incref, decref, get_methods, number_of_objects, debug_info, shutdown; one reply, and the server
// closes. accept_connection turns the connection into a session, where requests name an object.
//
// A server uses read_request and the functions ending in _reply; a client the others. What a peer
// sent and what is not understood is a DecodeError with the bytes.
//
// Threads: all functions may be called from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/codec/pickle.hpp"
#include "mp/connection/address.hpp"

namespace mp::manager::python {

using pickle::Items;
using pickle::Pairs;
using pickle::Value;

// Which object of which server.
struct Token {
  std::string type;  // "dict", "Queue"
  Value address;     // a str, or a tuple of host and port
  std::string id;
  friend bool operator==(const Token&, const Token&) = default;
};

struct Request {
  std::optional<std::string> id;  // none: the server itself
  std::string method;
  Items args = {};
  Pairs kwds = {};
};

struct Reply {
  enum class Kind : std::uint8_t { value, error, traceback, proxy, unserializable };
  Kind kind = Kind::value;
  Value value = {};                       // value, error; the text of the others
  std::vector<std::string> exposed = {};  // proxy
  Token token = {};                       // proxy
};

// A proxy inside a message: what RebuildProxy is called with.
struct ProxyPickle {
  std::string proxy_class;  // "DictProxy"; "AutoProxy" is made from what is exposed
  Token token;
  std::vector<std::string> exposed = {};
};

[[nodiscard]] Request read_request(ByteView message);
[[nodiscard]] Bytes write_request(const Request& request);

[[nodiscard]] Reply read_reply(ByteView message);
[[nodiscard]] Bytes value_reply(const Value& value);
// The exception as Python's class, and what is thrown here between two processes of mp.
[[nodiscard]] Bytes error_reply(const std::exception_ptr& error);
[[nodiscard]] Bytes error_reply(const Value& exception);
[[nodiscard]] Bytes traceback_reply(std::string_view text);
[[nodiscard]] Bytes unserializable_reply(std::string_view text);
[[nodiscard]] Bytes proxy_reply(std::span<const std::string> exposed, const Token& token);

// The answer to create.
struct Created {
  std::string id;
  std::vector<std::string> exposed;
};
[[nodiscard]] Value to_value(const Created& created);
[[nodiscard]] Created created_of(const Value& value);

[[nodiscard]] Value to_value(const Token& token);
[[nodiscard]] std::optional<Token> token_of(const Value& value);
[[nodiscard]] Value to_value(const ProxyPickle& proxy);
[[nodiscard]] std::optional<ProxyPickle> proxy_of(const Value& value);
[[nodiscard]] Value to_value(const Address& address);
[[nodiscard]] std::optional<Address> address_of(const Value& value);

// Throws what the reply says: the exception, or RemoteError with the last line of the traceback as
// its text and all of it as its stack. Returns if it says no error.
void rethrow_error(const Reply& reply);

// What SyncManager serves under a name: the class of its proxies, what they may call, and of which
// type the results of some methods are.
struct ServedType {
  std::string_view type;
  std::string_view proxy_class;
  std::span<const std::string_view> exposed;
  std::span<const std::pair<std::string_view, std::string_view>> results = {};
};
// Nothing for a name that SyncManager does not have.
[[nodiscard]] const ServedType* served_type(std::string_view type) noexcept;

}  // namespace mp::manager::python
