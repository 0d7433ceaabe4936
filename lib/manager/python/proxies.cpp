// SPDX-License-Identifier: Apache-2.0
// The types of CPython's SyncManager, and what it exposes of each.
#include <algorithm>
#include <array>

#include "manager/python/protocol.hpp"

namespace mp::manager::python {

namespace {

using Name = std::string_view;

constexpr std::array<Name, 4> kEvent = {"is_set", "set", "clear", "wait"};
constexpr std::array<Name, 2> kLock = {"acquire", "release"};
constexpr std::array<Name, 5> kCondition = {"acquire", "release", "wait", "notify", "notify_all"};
constexpr std::array<Name, 4> kBarrier = {"__getattribute__", "wait", "abort", "reset"};
constexpr std::array<Name, 3> kNamespace = {"__getattribute__", "__setattr__", "__delattr__"};
constexpr std::array<Name, 2> kValue = {"get", "set"};
constexpr std::array<Name, 3> kArray = {"__len__", "__getitem__", "__setitem__"};
constexpr std::array<Name, 4> kIterator = {"__next__", "send", "throw", "close"};
constexpr std::array<Name, 11> kQueue = {"empty",    "full",      "get",        "get_nowait",
                                         "join",     "put",       "put_nowait", "qsize",
                                         "shutdown", "task_done", "is_shutdown"};
constexpr std::array<Name, 21> kList = {
    "__add__",      "__contains__", "__delitem__", "__getitem__", "__imul__", "__len__", "__mul__",
    "__reversed__", "__rmul__",     "__setitem__", "append",      "clear",    "copy",    "count",
    "extend",       "index",        "insert",      "pop",         "remove",   "reverse", "sort"};
constexpr std::array<Name, 16> kDict = {"__contains__", "__delitem__", "__getitem__", "__iter__",
                                        "__len__",      "__setitem__", "clear",       "copy",
                                        "get",          "items",       "keys",        "pop",
                                        "popitem",      "setdefault",  "update",      "values"};
constexpr std::array<Name, 20> kSet = {
    "__and__",  "__contains__", "__iter__", "__len__",    "__or__",  "__sub__",      "__xor__",
    "add",      "clear",        "copy",     "difference", "discard", "intersection", "isdisjoint",
    "issubset", "issuperset",   "pop",      "remove",     "union",   "update"};
constexpr std::array<Name, 11> kPool = {"apply",          "apply_async",   "close",    "imap",
                                        "imap_unordered", "join",          "map",      "map_async",
                                        "starmap",        "starmap_async", "terminate"};
constexpr std::array<Name, 4> kAsyncResult = {"get", "ready", "successful", "wait"};

using Result = std::pair<Name, Name>;
constexpr std::array<Result, 1> kIter = {{{"__iter__", "Iterator"}}};
constexpr std::array<Result, 5> kPoolResults = {{{"apply_async", "AsyncResult"},
                                                 {"map_async", "AsyncResult"},
                                                 {"starmap_async", "AsyncResult"},
                                                 {"imap", "Iterator"},
                                                 {"imap_unordered", "Iterator"}}};

constexpr std::array<ServedType, 18> kTypes = {{
    {"Queue", "AutoProxy", kQueue},
    {"JoinableQueue", "AutoProxy", kQueue},
    {"Event", "EventProxy", kEvent},
    {"Lock", "AcquirerProxy", kLock},
    {"RLock", "AcquirerProxy", kLock},
    {"Semaphore", "AcquirerProxy", kLock},
    {"BoundedSemaphore", "AcquirerProxy", kLock},
    {"Condition", "ConditionProxy", kCondition},
    {"Barrier", "BarrierProxy", kBarrier},
    {"Pool", "PoolProxy", kPool, kPoolResults},
    {"list", "ListProxy", kList},
    {"dict", "DictProxy", kDict, kIter},
    {"set", "SetProxy", kSet, kIter},
    {"Value", "ValueProxy", kValue},
    {"Array", "ArrayProxy", kArray},
    {"Namespace", "NamespaceProxy", kNamespace},
    {"Iterator", "IteratorProxy", kIterator},
    {"AsyncResult", "AutoProxy", kAsyncResult},
}};

}  // namespace

const ServedType* served_type(std::string_view type) noexcept {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                   [type](const ServedType& each) { return each.type == type; });
  return found == kTypes.end() ? nullptr : found;
}

}  // namespace mp::manager::python
