// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <stdexcept>

#include "manager/item_ops.hpp"
#include "manager/server.hpp"

namespace mp::manager {

namespace {

class ServedNamespace final : public Served {
 public:
  explicit ServedNamespace(Server& server) : Served{server, "Namespace", {}} {}

  void serve(CallPtr& call) override {
    static constexpr Method<ServedNamespace> kMethods[] = {
        {"__getattribute__", &ServedNamespace::get}, {"__setattr__", &ServedNamespace::set},
        {"__delattr__", &ServedNamespace::remove},   {"__contains__", &ServedNamespace::contains},
        {"items", &ServedNamespace::items},          {"increment", &ServedNamespace::increment}};
    serve_by_name(*this, kMethods, call);
  }

 private:
  Item& find(const Call& call) {
    const auto found = attributes_.find(call.get<std::string>(0));
    if (found == attributes_.end()) {
      throw std::out_of_range("the namespace has no '" + call.get<std::string>(0) + "'");
    }
    return found->second;
  }
  void get(CallPtr& call) {
    call->expect(1);
    call->reply(find(*call));
  }
  void set(CallPtr& call) {
    call->expect(2);
    attributes_[call->get<std::string>(0)] = call->item(1);
    call->reply_nothing();
  }
  void remove(CallPtr& call) {
    call->expect(1);
    (void)find(*call);
    attributes_.erase(call->get<std::string>(0));
    call->reply_nothing();
  }
  void contains(CallPtr& call) {
    call->expect(1);
    call->reply_value(attributes_.contains(call->get<std::string>(0)));
  }
  // Each name and its value.
  void items(CallPtr& call) {
    std::vector<Item> names;
    std::vector<const Item*> all;
    names.reserve(attributes_.size());
    for (const auto& [name, value] : attributes_) {
      all.push_back(&names.emplace_back(make_item(name)));
      all.push_back(&value);
    }
    call->reply_items(all);
  }
  void increment(CallPtr& call) {
    call->expect(2);
    Item& item = find(*call);
    add_to(item, call->item(1, item.tag));
    call->reply(item);
  }

  std::map<std::string, Item> attributes_;
};

class ServedValue final : public Served {
 public:
  ServedValue(Server& server, Tags tags, Item value)
      : Served{server, "Value", std::move(tags)}, value_{std::move(value)} {}

  void serve(CallPtr& call) override {
    static constexpr Method<ServedValue> kMethods[] = {
        {"get", &ServedValue::get},
        {"set", &ServedValue::set},
        {"increment", &ServedValue::increment},
        {"modify", &ServedValue::modify},
        {"compare_exchange", &ServedValue::compare_exchange}};
    serve_by_name(*this, kMethods, call);
  }

 private:
  void get(CallPtr& call) { call->reply(value_); }
  void set(CallPtr& call) {
    call->expect(1);
    value_ = call->item(0, tag());
    call->reply_nothing();
  }
  void increment(CallPtr& call) {
    call->expect(1);
    add_to(value_, call->item(0, tag()));
    call->reply(value_);
  }
  void modify(CallPtr& call) {
    manager::modify(value_, *call, 0);
    call->reply(value_);
  }
  void compare_exchange(CallPtr& call) {
    call->expect(2);
    Item desired = call->item(1, tag());
    const bool equal = value_ == call->item(0, tag());
    if (equal) {
      value_ = std::move(desired);
    }
    call->reply_value(equal);
  }

  Item value_;
};

// A list whose length does not change.
class ServedArray final : public Served {
 public:
  ServedArray(Server& server, const Call& call, Tags tags)
      : Served{server, "Array", std::move(tags)} {
    for (std::size_t i = 1; i < call.size(); ++i) {
      items_.push_back(call.item(i, tag()));
    }
  }

  void serve(CallPtr& call) override {
    static constexpr Method<ServedArray> kMethods[] = {{"__getitem__", &ServedArray::at},
                                                       {"__setitem__", &ServedArray::set},
                                                       {"__len__", &ServedArray::length},
                                                       {"copy", &ServedArray::copy}};
    serve_by_name(*this, kMethods, call);
  }

 private:
  Item& place(const Call& call) {
    auto position = call.get<std::int64_t>(0);
    const auto size = static_cast<std::int64_t>(items_.size());
    position += position < 0 ? size : 0;
    if (position < 0 || position >= size) {
      throw std::out_of_range("the array's index is out of range");
    }
    return items_[static_cast<std::size_t>(position)];
  }
  void at(CallPtr& call) {
    call->expect(1);
    call->reply(place(*call));
  }
  void set(CallPtr& call) {
    call->expect(2);
    place(*call) = call->item(1, tag());
    call->reply_nothing();
  }
  void length(CallPtr& call) { call->reply_value(static_cast<std::uint64_t>(items_.size())); }
  void copy(CallPtr& call) {
    std::vector<const Item*> items;
    for (const Item& item : items_) {
      items.push_back(&item);
    }
    call->reply_items(items);
  }

  std::vector<Item> items_;
};

}  // namespace

ObjectPtr make_value(Server& server, Call& call, Tags tags) {
  const std::string_view name = call.name();
  if (name == "Namespace") {
    return std::make_shared<ServedNamespace>(server);
  }
  if (name == "Value") {
    call.expect(2);
    Item value = call.item(1, tags.empty() ? 0 : tags.front());
    return std::make_shared<ServedValue>(server, std::move(tags), std::move(value));
  }
  if (name == "Array") {
    return std::make_shared<ServedArray>(server, call, std::move(tags));
  }
  return nullptr;
}

}  // namespace mp::manager
