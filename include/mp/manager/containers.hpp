// SPDX-License-Identifier: Apache-2.0
// mp/manager/containers.hpp — dicts, lists, sets and namespaces of a manager's server.
//
//     mp::Manager manager;
//     auto ages = manager.dict<std::string, int>();
//     ages.set("Ada", 36);
//     ages.increment("Ada", 1);                      // in the server: nobody comes in between
//     for (auto& [name, age] : ages.items()) ...     // one round trip for all
//
// Every call is one round trip, and atomic: calls of several clients happen one after the other. A
// whole container goes in one: update, extend, get_many, items, copy. What a range-for runs over is
// a copy of that moment.
//
// Values are copied, in and out. A proxy as a value is a reference to the same object, which then
// lives as long as the container has it.
//
// Threads, Processes, Fork, Crash, Owns, Blocks: as RawProxy.
// Throws:    std::out_of_range for a key or index that is not there; std::invalid_argument; and as
//            RawProxy.
// Python:    DictProxy, ListProxy, NamespaceProxy; increment, compare_exchange, get_many are more.
#pragma once

#include "mp/manager/dict_proxy.hpp"
#include "mp/manager/list_proxy.hpp"
#include "mp/manager/namespace_proxy.hpp"
#include "mp/manager/value_proxy.hpp"
