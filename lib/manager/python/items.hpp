// SPDX-License-Identifier: Apache-2.0
// manager/python/items.hpp — between the items that objects keep and Python's values.
//
// An item of the type pickle::Value is a Python value as it came. One of another type becomes a
// Python value, and is made of one, by pickle::Convert, if the program that serves knows the type.
// Proxies of this server's objects, in an item of either kind, are RebuildProxy's calls in Python.
//
// Threads: for the thread of the server's loop.
// Throws:  UsageError: the program does not know the type, or Python has no such value.
//          TypeMismatch, DecodeError: the value is not of that type.
#pragma once

#include <cstdint>
#include <vector>

#include "manager/python/protocol.hpp"
#include "manager/served.hpp"

namespace mp::manager::python {

// The tag of the items that are Python values.
inline constexpr std::uint64_t kValueTag = mp::detail::kTypeTag<Value>;

// An item that names the objects of `server` to which there are proxies in `value`.
[[nodiscard]] Item item_of(const Value& value, const Server& server);
// For a client that knows the server at `address`.
[[nodiscard]] Value value_of(const Item& item, const Value& address);

// The item as one of the type with `tag`: to or from a Python value. Throws TypeMismatch for
// anything else.
[[nodiscard]] Item converted(const Item& item, std::uint64_t tag);
// A proxy of Python's to an object of the server, as any proxy of ours would take it; anything else
// as it is.
[[nodiscard]] Item with_proxy(Item item);
// The elements of a list or tuple of Python's, as items. Throws UsageError for anything else.
[[nodiscard]] std::vector<Item> spread(const Item& item);
// The item with the bytes that equal keys have: of Python's, 1, 1.0 and True are one.
[[nodiscard]] Item as_key(Item item);

// A proxy as it lies in a message.
[[nodiscard]] Value proxy_value(const Served& object, const Value& address);
// The object of `server` to which the value is a proxy, or nothing.
[[nodiscard]] ObjectPtr object_of(const Value& value, const Server& server);
[[nodiscard]] std::string id_of(const Served& object);
// What a client may call of the object.
[[nodiscard]] std::vector<std::string> exposed_by(const Served& object);

}  // namespace mp::manager::python
