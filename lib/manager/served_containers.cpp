// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <stdexcept>
#include <unordered_map>

#include "mp/errors/error.hpp"

#include "manager/item_ops.hpp"
#include "manager/python/items.hpp"
#include "manager/server.hpp"

namespace mp::manager {

namespace {

[[noreturn]] void throw_no_key() {
  throw std::out_of_range("the key is not in the dict");
}

// Keys in the order in which they came, as a dict of Python's has them.
class ServedDict final : public Served {
 public:
  ServedDict(Server& server, Tags tags) : Served{server, "dict", std::move(tags)} { (void)tag(1); }

  void serve(CallPtr& call) override {
    static constexpr Method<ServedDict> kMethods[] = {
        {"__getitem__", &ServedDict::at},
        {"__setitem__", &ServedDict::set},
        {"get", &ServedDict::get},
        {"__contains__", &ServedDict::contains},
        {"__len__", &ServedDict::length},
        {"__delitem__", &ServedDict::remove},
        {"pop", &ServedDict::pop},
        {"popitem", &ServedDict::popitem},
        {"setdefault", &ServedDict::setdefault},
        {"update", &ServedDict::update},
        {"clear", &ServedDict::clear},
        {"keys", &ServedDict::keys},
        {"values", &ServedDict::values},
        {"items", &ServedDict::items},
        {"get_many", &ServedDict::get_many},
        {"increment", &ServedDict::increment},
        {"modify", &ServedDict::modify},
        {"compare_exchange", &ServedDict::compare_exchange}};
    serve_by_name(*this, kMethods, call);
  }

 private:
  struct Entry {
    Item key;
    Item value;
  };
  using Entries = std::list<Entry>;

  // Looks a key up: the bytes of equal keys are equal.
  Entries::iterator find(const Call& call, std::size_t index) {
    const mp::detail::ItemView key = call.view(index);
    if (key.tag != tag(0) || key.tag == python::kValueTag) {
      return find(call.key(index, tag(0)).bytes);
    }
    return find({reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()});
  }
  Entries::iterator find(std::string_view bytes) {
    const auto known = index_.find(bytes);
    return known == index_.end() ? entries_.end() : known->second;
  }
  Entries::iterator find_or_throw(const Call& call, std::size_t index) {
    const auto found = find(call, index);
    if (found == entries_.end()) {
      throw_no_key();
    }
    return found;
  }
  Entries::iterator insert(Item key, Item value) {
    if (const auto found = find(key.bytes); found != entries_.end()) {
      found->value = std::move(value);
      return found;
    }
    entries_.push_back({std::move(key), std::move(value)});
    const auto place = std::prev(entries_.end());
    index_.emplace(place->key.bytes, place);
    return place;
  }
  void erase(Entries::iterator place) {
    index_.erase(place->key.bytes);
    entries_.erase(place);
  }

  void at(CallPtr& call) {
    call->expect(1);
    call->reply(find_or_throw(*call, 0)->value);
  }
  void set(CallPtr& call) {
    call->expect(2);
    insert(call->key(0, tag(0)), call->item(1, tag(1)));
    call->reply_nothing();
  }
  void get(CallPtr& call) {
    call->expect(1, 2);
    if (const auto found = find(*call, 0); found != entries_.end()) {
      call->reply(found->value);
    } else if (call->size() == 2) {
      call->reply(call->item(1));
    } else {
      call->reply_nothing();
    }
  }
  void contains(CallPtr& call) {
    call->expect(1);
    call->reply_value(find(*call, 0) != entries_.end());
  }
  void length(CallPtr& call) { call->reply_value(static_cast<std::uint64_t>(entries_.size())); }
  void remove(CallPtr& call) {
    call->expect(1);
    erase(find_or_throw(*call, 0));
    call->reply_nothing();
  }
  void pop(CallPtr& call) {
    call->expect(1, 2);
    const auto found = find(*call, 0);
    if (found == entries_.end()) {
      if (call->size() == 1) {
        throw_no_key();
      }
      call->reply(call->item(1));
      return;
    }
    call->reply(found->value);
    erase(found);
  }
  void popitem(CallPtr& call) {
    if (entries_.empty()) {
      throw std::out_of_range("the dict is empty");
    }
    const Item* pair[] = {&entries_.back().key, &entries_.back().value};
    call->reply_items(pair);
    erase(std::prev(entries_.end()));
  }
  void setdefault(CallPtr& call) {
    call->expect(2);
    auto found = find(*call, 0);
    if (found == entries_.end()) {
      found = insert(call->key(0, tag(0)), call->item(1, tag(1)));
    }
    call->reply(found->value);
  }
  void update(CallPtr& call) {
    if (call->size() % 2 != 0) {
      throw std::invalid_argument("'update' takes a value with each key");
    }
    std::vector<Entry> added;  // all are right, or none is taken
    added.reserve(call->size() / 2);
    for (std::size_t i = 0; i != call->size(); i += 2) {
      added.push_back({call->key(i, tag(0)), call->item(i + 1, tag(1))});
    }
    for (Entry& each : added) {
      insert(std::move(each.key), std::move(each.value));
    }
    call->reply_nothing();
  }
  void clear(CallPtr& call) {
    index_.clear();
    entries_.clear();
    call->reply_nothing();
  }
  void reply_all(Call& call, bool keys, bool values) {
    std::vector<const Item*> items;
    items.reserve(entries_.size() * 2);
    for (const Entry& entry : entries_) {
      if (keys) {
        items.push_back(&entry.key);
      }
      if (values) {
        items.push_back(&entry.value);
      }
    }
    call.reply_items(items);
  }
  void keys(CallPtr& call) { reply_all(*call, true, false); }
  void values(CallPtr& call) { reply_all(*call, false, true); }
  void items(CallPtr& call) { reply_all(*call, true, true); }
  // For each key nothing, or the position among the keys and the value.
  void get_many(CallPtr& call) {
    std::vector<Item> positions;
    std::vector<const Item*> found;
    positions.reserve(call->size());
    for (std::size_t i = 0; i != call->size(); ++i) {
      if (const auto place = find(*call, i); place != entries_.end()) {
        positions.push_back(make_item(static_cast<std::uint64_t>(i)));
        found.push_back(&positions.back());
        found.push_back(&place->value);
      }
    }
    call->reply_items(found);
  }
  void increment(CallPtr& call) {
    call->expect(2);
    Item amount = call->item(1, tag(1));
    expect_number(tag(1));
    const auto found = find(*call, 0);
    if (found == entries_.end()) {
      call->reply(insert(call->key(0, tag(0)), std::move(amount))->value);
      return;
    }
    add_to(found->value, amount);
    call->reply(found->value);
  }
  void modify(CallPtr& call) {
    Item& value = find_or_throw(*call, 0)->value;
    manager::modify(value, *call, 1);
    call->reply(value);
  }
  void compare_exchange(CallPtr& call) {
    call->expect(3);
    const auto found = find(*call, 0);
    Item desired = call->item(2, tag(1));
    const bool equal = found != entries_.end() && found->value == call->item(1, tag(1));
    if (equal) {
      found->value = std::move(desired);
    }
    call->reply_value(equal);
  }

  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> index_;  // into the entries' keys
};

class ServedList final : public Served {
 public:
  ServedList(Server& server, Tags tags) : Served{server, "list", std::move(tags)} { (void)tag(0); }
  void fill(const Call& call) {
    for (std::size_t i = 1; i < call.size(); ++i) {
      items_.push_back(call.item(i, tag()));
    }
  }

  void serve(CallPtr& call) override {
    static constexpr Method<ServedList> kMethods[] = {
        {"__getitem__", &ServedList::at},  {"__setitem__", &ServedList::set},
        {"__len__", &ServedList::length},  {"append", &ServedList::append},
        {"extend", &ServedList::extend},   {"insert", &ServedList::insert},
        {"pop", &ServedList::pop},         {"__delitem__", &ServedList::erase},
        {"remove", &ServedList::remove},   {"__contains__", &ServedList::contains},
        {"index", &ServedList::index},     {"count", &ServedList::count},
        {"reverse", &ServedList::reverse}, {"sort", &ServedList::sort},
        {"clear", &ServedList::clear},     {"copy", &ServedList::copy},
        {"slice", &ServedList::slice},     {"increment", &ServedList::increment},
        {"modify", &ServedList::modify}};
    serve_by_name(*this, kMethods, call);
  }

 private:
  // A position that a call names; from the end if negative.
  Item& place(const Call& call, std::size_t index) {
    auto position = call.get<std::int64_t>(index);
    const auto size = static_cast<std::int64_t>(items_.size());
    position += position < 0 ? size : 0;
    if (position < 0 || position >= size) {
      throw std::out_of_range("the list's index is out of range");
    }
    return items_[static_cast<std::size_t>(position)];
  }
  auto find(const Item& item) { return std::find(items_.begin(), items_.end(), item); }

  void at(CallPtr& call) {
    call->expect(1);
    call->reply(place(*call, 0));
  }
  void set(CallPtr& call) {
    call->expect(2);
    place(*call, 0) = call->item(1, tag());
    call->reply_nothing();
  }
  void length(CallPtr& call) { call->reply_value(static_cast<std::uint64_t>(items_.size())); }
  void append(CallPtr& call) {
    call->expect(1);
    items_.push_back(call->item(0, tag()));
    call->reply_nothing();
  }
  void extend(CallPtr& call) {
    std::vector<Item> added;
    added.reserve(call->size());
    for (std::size_t i = 0; i != call->size(); ++i) {
      added.push_back(call->item(i, tag()));
    }
    items_.insert(items_.end(), std::make_move_iterator(added.begin()),
                  std::make_move_iterator(added.end()));
    call->reply_nothing();
  }
  void insert(CallPtr& call) {
    call->expect(2);
    auto position = call->get<std::int64_t>(0);
    const auto size = static_cast<std::int64_t>(items_.size());
    position = std::clamp(position < 0 ? position + size : position, std::int64_t{0}, size);
    items_.insert(items_.begin() + position, call->item(1, tag()));
    call->reply_nothing();
  }
  void pop(CallPtr& call) {
    call->expect(0, 1);
    if (items_.empty()) {
      throw std::out_of_range("the list is empty");
    }
    Item& item = call->size() == 0 ? items_.back() : place(*call, 0);
    call->reply(item);
    items_.erase(items_.begin() + (&item - items_.data()));
  }
  void erase(CallPtr& call) {
    call->expect(1);
    items_.erase(items_.begin() + (&place(*call, 0) - items_.data()));
    call->reply_nothing();
  }
  void remove(CallPtr& call) {
    call->expect(1);
    const auto found = find(call->item(0, tag()));
    if (found == items_.end()) {
      throw std::invalid_argument("the value is not in the list");
    }
    items_.erase(found);
    call->reply_nothing();
  }
  void contains(CallPtr& call) {
    call->expect(1);
    call->reply_value(find(call->item(0, tag())) != items_.end());
  }
  void index(CallPtr& call) {
    call->expect(1);
    const auto found = find(call->item(0, tag()));
    if (found == items_.end()) {
      throw std::invalid_argument("the value is not in the list");
    }
    call->reply_value(static_cast<std::uint64_t>(found - items_.begin()));
  }
  void count(CallPtr& call) {
    call->expect(1);
    call->reply_value(
        static_cast<std::uint64_t>(std::count(items_.begin(), items_.end(), call->item(0, tag()))));
  }
  void reverse(CallPtr& call) {
    std::reverse(items_.begin(), items_.end());
    call->reply_nothing();
  }
  void sort(CallPtr& call) {
    call->expect(0, 1);
    const bool reverse = call->size() != 0 && call->get<bool>(0);
    const mp::detail::ItemOps& ops = expect_order(tag());
    std::vector<ByteView> views;
    views.reserve(items_.size());
    for (const Item& item : items_) {
      views.push_back(item.view());
    }
    std::vector<Item> sorted;
    sorted.reserve(items_.size());
    for (const std::size_t position : ops.sorted(views, reverse)) {
      sorted.push_back(std::move(items_[position]));
    }
    items_ = std::move(sorted);
    call->reply_nothing();
  }
  void clear(CallPtr& call) {
    items_.clear();
    call->reply_nothing();
  }
  void reply_range(Call& call, std::size_t from, std::size_t to) {
    std::vector<const Item*> items;
    for (; from < to; ++from) {
      items.push_back(&items_[from]);
    }
    call.reply_items(items);
  }
  void copy(CallPtr& call) { reply_range(*call, 0, items_.size()); }
  void slice(CallPtr& call) {
    call->expect(2);
    const auto clip = [&](std::size_t index) {
      auto position = call->get<std::int64_t>(index);
      const auto size = static_cast<std::int64_t>(items_.size());
      position += position < 0 ? size : 0;
      return static_cast<std::size_t>(std::clamp(position, std::int64_t{0}, size));
    };
    reply_range(*call, clip(0), clip(1));
  }
  void increment(CallPtr& call) {
    call->expect(2);
    Item& item = place(*call, 0);
    add_to(item, call->item(1, tag()));
    call->reply(item);
  }

  void modify(CallPtr& call) {
    Item& item = place(*call, 0);
    manager::modify(item, *call, 1);
    call->reply(item);
  }

  std::vector<Item> items_;
};

class ServedSet final : public Served {
 public:
  ServedSet(Server& server, Tags tags) : Served{server, "set", std::move(tags)} { (void)tag(0); }

  void serve(CallPtr& call) override {
    static constexpr Method<ServedSet> kMethods[] = {{"add", &ServedSet::add},
                                                     {"discard", &ServedSet::discard},
                                                     {"__contains__", &ServedSet::contains},
                                                     {"__len__", &ServedSet::length},
                                                     {"update", &ServedSet::update},
                                                     {"clear", &ServedSet::clear},
                                                     {"pop", &ServedSet::pop},
                                                     {"copy", &ServedSet::copy}};
    serve_by_name(*this, kMethods, call);
  }
  void insert(Item item) {
    std::string key = item.bytes;
    items_.try_emplace(std::move(key), std::move(item));
  }
  void fill(const Call& call, std::size_t from) {
    for (std::size_t i = from; i < call.size(); ++i) {
      insert(call.key(i, tag()));
    }
  }

 private:
  // Replies whether the value is new.
  void add(CallPtr& call) {
    call->expect(1);
    const std::size_t before = items_.size();
    insert(call->key(0, tag()));
    call->reply_value(items_.size() != before);
  }
  // Replies whether the value was there.
  void discard(CallPtr& call) {
    call->expect(1);
    call->reply_value(items_.erase(call->key(0, tag()).bytes) != 0);
  }
  void contains(CallPtr& call) {
    call->expect(1);
    call->reply_value(items_.contains(call->key(0, tag()).bytes));
  }
  void length(CallPtr& call) { call->reply_value(static_cast<std::uint64_t>(items_.size())); }
  void update(CallPtr& call) {
    fill(*call, 0);
    call->reply_nothing();
  }
  void clear(CallPtr& call) {
    items_.clear();
    call->reply_nothing();
  }
  void pop(CallPtr& call) {
    if (items_.empty()) {
      throw std::out_of_range("the set is empty");
    }
    call->reply(items_.begin()->second);
    items_.erase(items_.begin());
  }
  void copy(CallPtr& call) {
    std::vector<const Item*> items;
    for (const auto& [key, item] : items_) {
      items.push_back(&item);
    }
    call->reply_items(items);
  }

  std::unordered_map<std::string, Item> items_;
};

}  // namespace

ObjectPtr make_container(Server& server, Call& call, Tags tags) {
  const std::string_view name = call.name();
  if (name == "dict") {
    return std::make_shared<ServedDict>(server, std::move(tags));
  }
  if (name == "list") {
    auto list = std::make_shared<ServedList>(server, std::move(tags));
    list->fill(call);
    return list;
  }
  if (name == "set") {
    auto set = std::make_shared<ServedSet>(server, std::move(tags));
    set->fill(call, 1);
    return set;
  }
  return nullptr;
}

}  // namespace mp::manager
