// SPDX-License-Identifier: Apache-2.0
#include "manager/python/items.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "mp/errors/error.hpp"
#include "mp/manager/raw_proxy.hpp"

#include "manager/python/methods.hpp"
#include "manager/server.hpp"

namespace mp::manager::python {

namespace {

using pickle::Kind;
using pickle::Object;

constexpr std::string_view kRebuild = "RebuildProxy";

bool mentions_proxies(ByteView pickle) {
  const std::string_view text{reinterpret_cast<const char*>(pickle.data()), pickle.size()};
  return text.find(kRebuild) != std::string_view::npos;
}

// The value, with `change` for those parts of it that are objects: what it returns, unless that is
// None, stands for the part.
template <class Change>
Value rewritten(const Value& value, const Change& change) {
  const auto each = [&change](const Items& items) {
    Items made;
    made.reserve(items.size());
    for (const Value& item : items) {
      made.push_back(rewritten(item, change));
    }
    return made;
  };
  const auto each_pair = [&change](const Pairs& pairs) {
    Pairs made;
    made.reserve(pairs.size());
    for (const auto& [key, item] : pairs) {
      made.emplace_back(rewritten(key, change), rewritten(item, change));
    }
    return made;
  };
  switch (value.kind()) {
    case Kind::list:
      return Value::list(each(value.items()));
    case Kind::tuple:
      return Value::tuple(each(value.items()));
    case Kind::set:
      return Value::set(each(value.items()));
    case Kind::frozen_set:
      return Value::frozen_set(each(value.items()));
    case Kind::dict:
      return Value::dict(each_pair(value.pairs()));
    case Kind::object: {
      if (Value other = change(value); !other.is_none()) {
        return other;
      }
      Object object = value.as_object();
      object.args = rewritten(object.args, change);
      object.kwargs = rewritten(object.kwargs, change);
      object.state = rewritten(object.state, change);
      object.items = each(object.items);
      object.pairs = each_pair(object.pairs);
      return Value::object(std::move(object));
    }
    default:
      return value;
  }
}

Item item_of_bytes(std::uint64_t tag, ByteView bytes) {
  return {tag, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, {}};
}

Item encoded(const Value& value) {
  const Bytes pickled = pickle::encode(value);
  Item item{kValueTag, std::string(sizeof(std::uint64_t) + pickled.size(), '\0'), {}};
  Writer out{std::as_writable_bytes(std::span{item.bytes.data(), item.bytes.size()})};
  out.write_count(pickled.size());
  out.write_bytes(pickled.data(), pickled.size());
  return item;
}

// Numbers that are equal in Python become one, and sets have one order.
Value canonical(const Value& value) {
  constexpr double kWhole = 9.2e18;
  switch (value.kind()) {
    case Kind::boolean:
      return Value{value.as_int()};
    case Kind::real:
      if (const double number = value.as_real();
          std::abs(number) < kWhole && number == std::floor(number)) {
        return Value{static_cast<std::int64_t>(number)};
      }
      return value;
    case Kind::tuple:
    case Kind::frozen_set: {
      Items items;
      for (const Value& item : value.items()) {
        items.push_back(canonical(item));
      }
      if (value.kind() == Kind::tuple) {
        return Value::tuple(std::move(items));
      }
      std::sort(items.begin(), items.end(), [](const Value& a, const Value& b) {
        return pickle::encode(a) < pickle::encode(b);
      });
      return Value::frozen_set(std::move(items));
    }
    default:
      return value;
  }
}

const mp::detail::ItemOps& known(std::uint64_t tag) {
  const mp::detail::ItemOps* ops = mp::detail::find_item_ops(tag);
  if (ops == nullptr) {
    throw UsageError{"the program that serves does not know the type of these values"};
  }
  return *ops;
}

}  // namespace

Item item_of(const Value& value, const Server& server) {
  Item item = encoded(value);
  if (mentions_proxies(item.view())) {
    rewritten(value, [&](const Value& part) {
      if (ObjectPtr object = object_of(part, server)) {
        item.objects.push_back(std::move(object));
      }
      return Value{};
    });
  }
  return item;
}

Value value_of(const Item& item, const Value& address) {
  if (item.tag != kValueTag) {
    const mp::detail::ItemOps* ops = mp::detail::find_item_ops(item.tag);
    const bool is_proxy = ops == nullptr ? item.objects.size() == 1 : ops->from_token != nullptr;
    if (is_proxy && item.objects.size() == 1) {
      return proxy_value(*item.objects.front(), address);
    }
  }
  Value value = mp::detail::python_value({item.tag, item.view()});
  if (item.objects.empty()) {
    return value;
  }
  const Server& server = item.objects.front()->server();
  return rewritten(value, [&](const Value& part) {
    const ObjectPtr object = object_of(part, server);
    return object ? proxy_value(*object, address) : Value{};
  });
}

Item converted(const Item& item, std::uint64_t tag) {
  if (tag == kValueTag) {
    Value own;
    if (!item.objects.empty()) {
      own = to_value(item.objects.front()->server().address());
    }
    Item made = encoded(value_of(item, own));
    made.objects = item.objects;
    return made;
  }
  if (item.tag != kValueTag) {
    mp::detail::throw_item_mismatch(tag, {item.tag, item.view()});
  }
  const mp::detail::ItemOps& ops = known(tag);
  if (ops.from_token != nullptr && item.objects.size() == 1) {
    const Served& object = *item.objects.front();
    const Bytes bytes =
        ops.from_token({object.server().address(), object.id(), object.type(), object.tags()});
    Item made = item_of_bytes(tag, bytes);
    made.objects = item.objects;
    return made;
  }
  if (ops.from_python == nullptr) {
    mp::detail::throw_item_mismatch(tag, {item.tag, item.view()});
  }
  return item_of_bytes(tag, ops.from_python(mp::detail::python_value({item.tag, item.view()})));
}

Item with_proxy(Item item) {
  if (item.tag != kValueTag || item.objects.size() != 1) {
    return item;
  }
  const Served& object = *item.objects.front();
  const Value value = mp::detail::python_value({item.tag, item.view()});
  if (object_of(value, object.server()).get() != &object) {
    return item;  // it is somewhere inside
  }
  mp::detail::ProxyCarrier nobody;
  const Bytes bytes = mp::detail::item_bytes_of(
      RawProxy{{object.server().address(), object.id(), object.type(), object.tags()}, {}, false},
      &nobody);
  Item made = item_of_bytes(mp::detail::kAnyProxyTag, bytes);
  made.objects = std::move(item.objects);
  return made;
}

std::vector<Item> spread(const Item& item) {
  if (item.tag != kValueTag) {
    throw UsageError{"only a list or a tuple of Python's is spread into arguments here"};
  }
  const Value value = mp::detail::python_value({item.tag, item.view()});
  if (value.kind() != Kind::list && value.kind() != Kind::tuple) {
    throw UsageError{"a " + std::string{pickle::name_of(value.kind())} +
                     " cannot be spread into arguments"};
  }
  std::vector<Item> items;
  for (const Value& each : value.items()) {
    items.push_back(item.objects.empty() ? encoded(each)
                                         : item_of(each, item.objects.front()->server()));
  }
  return items;
}

Item as_key(Item item) {
  if (item.tag == kValueTag) {
    const Value value = mp::detail::python_value({item.tag, item.view()});
    if (value.kind() != Kind::string && value.kind() != Kind::integer) {
      std::vector<ObjectPtr> objects = std::move(item.objects);
      item = encoded(canonical(value));
      item.objects = std::move(objects);
    }
  }
  return item;
}

Value proxy_value(const Served& object, const Value& address) {
  const ServedType* standard = object.methods().empty() ? served_type(object.type()) : nullptr;
  ProxyPickle proxy{standard != nullptr ? std::string{standard->proxy_class} : "AutoProxy",
                    {object.type(), address, id_of(object)},
                    {}};
  if (proxy.proxy_class == "AutoProxy") {
    proxy.exposed = exposed_by(object);
  }
  return to_value(proxy);
}

// Clients know the server by many names, so the name is not looked at but for the port.
ObjectPtr object_of(const Value& value, const Server& server) {
  const auto proxy = proxy_of(value);
  if (!proxy) {
    return nullptr;
  }
  const auto address = address_of(proxy->token.address);
  if (!address || address->kind() != server.address().kind() ||
      address->port() != server.address().port() || address->path() != server.address().path()) {
    return nullptr;
  }
  ObjectPtr object = server.find_by_name(proxy->token.id);
  // What is registered has a name of its own.
  const bool is_meant = object && (object->type() == proxy->token.type ||
                                   server.find_shared(proxy->token.type) == object);
  return is_meant ? object : nullptr;
}

std::string id_of(const Served& object) {
  std::array<char, 2 * sizeof(std::uint64_t)> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), object.id(), 16);
  return {digits.data(), end.ptr};
}

std::vector<std::string> exposed_by(const Served& object) {
  std::vector<std::string> names = object.methods();
  if (names.empty()) {
    for (const Method& method : methods_of(object)) {
      if (method.exposed) {
        names.emplace_back(method.name);
      }
    }
  }
  return names;
}

}  // namespace mp::manager::python
