// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <stdexcept>
#include <unordered_map>

#include "mp/errors/error.hpp"
#include "mp/queue/raw_queue.hpp"

#include "manager/server.hpp"
#include "memory/feed.hpp"

namespace mp::manager {

namespace {

[[noreturn]] void throw_objects_in_shared_queue() {
  throw UsageError{"a proxy cannot be put into a queue of shared memory through its server"};
}

// What Queue and JoinableQueue have in common. An item that was got from a JoinableQueue stays its
// getter's until task_done, and goes to the next one if the getter is gone before that.
class ServedQueue final : public Served {
 public:
  ServedQueue(Server& server, Tags tags, std::uint64_t maxsize, bool joinable)
      : Served{server, joinable ? "JoinableQueue" : "Queue", std::move(tags)},
        maxsize_{maxsize},
        joinable_{joinable} {
    (void)tag(0);
  }

  void serve(CallPtr& call) override {
    static constexpr Method<ServedQueue> kMethods[] = {
        {"put", &ServedQueue::put},           {"get", &ServedQueue::get},
        {"put_many", &ServedQueue::put_many}, {"get_many", &ServedQueue::get_many},
        {"qsize", &ServedQueue::qsize},       {"empty", &ServedQueue::empty},
        {"full", &ServedQueue::full},         {"task_done", &ServedQueue::task_done},
        {"join", &ServedQueue::join}};
    serve_by_name(*this, kMethods, call);
  }
  void forget(Session& session) override {
    putting_.drop(session);
    getting_.drop(session);
    joining_.drop(session);
    const auto mine = taken_.find(&session);
    if (mine == taken_.end()) {
      return;
    }
    std::deque<Taken> back = std::move(mine->second);
    taken_.erase(mine);
    for (auto each = back.rbegin(); each != back.rend(); ++each) {
      items_.push_front(std::move(each->item));
    }
    hand_out();
  }

 private:
  struct Taken {
    std::uint32_t thread;
    Item item;
  };

  [[nodiscard]] bool has_room() const noexcept { return maxsize_ == 0 || items_.size() < maxsize_; }

  void put(CallPtr& call) {
    call->expect(1, 2);
    Item item = call->item(0, tag());
    const Deadline until = call->deadline(1);
    if (has_room() && putting_.empty()) {
      add(std::move(item));
      call->reply_value(true);
      hand_out();
    } else if (until.passed()) {
      call->reply_value(false);
    } else {
      putting_.add(*this, call, until, [](CallPtr& late) { late->reply_value(false); });
    }
  }
  // All items, as far as there is room; replies how many.
  void put_many(CallPtr& call) {
    std::uint64_t count = 0;
    for (; count != call->size() && has_room(); ++count) {
      add(call->item(count, tag()));
    }
    call->reply_value(count);
    hand_out();
  }
  void get(CallPtr& call) {
    call->expect(0, 1);
    const Deadline until = call->deadline(0);
    if (!items_.empty()) {
      give(*call);
      take_in();
    } else if (until.passed()) {
      call->reply_nothing();
    } else {
      getting_.add(*this, call, until, [](CallPtr& late) { late->reply_nothing(); });
    }
  }
  void get_many(CallPtr& call) {
    call->expect(1);
    const auto most = call->get<std::uint64_t>(0);
    std::vector<Item> got;
    std::vector<const Item*> items;
    while (!items_.empty() && got.size() < most) {
      got.push_back(std::move(items_.front()));
      items_.pop_front();
    }
    for (const Item& item : got) {
      items.push_back(&item);
    }
    call->reply_items(items);
    for (Item& item : got) {
      keep(*call, std::move(item));
    }
    take_in();
  }
  void qsize(CallPtr& call) { call->reply_value(static_cast<std::uint64_t>(items_.size())); }
  void empty(CallPtr& call) { call->reply_value(items_.empty()); }
  void full(CallPtr& call) { call->reply_value(!has_room()); }
  void task_done(CallPtr& call) {
    if (unfinished_ == 0) {
      throw UsageError{"task_done was called more often than items were put"};
    }
    if (const auto mine = taken_.find(&call->session()); mine != taken_.end()) {
      // The oldest of this thread; a thread that passes items on to others has none.
      std::deque<Taken>& taken = mine->second;
      auto done = std::find_if(taken.begin(), taken.end(),
                               [&](const Taken& each) { return each.thread == call->thread(); });
      taken.erase(done == taken.end() ? taken.begin() : done);
      if (taken.empty()) {
        taken_.erase(mine);
      }
    }
    if (--unfinished_ == 0) {
      while (!joining_.empty()) {
        joining_.pop()->reply_value(true);
      }
    }
    call->reply_nothing();
  }
  void join(CallPtr& call) {
    call->expect(0, 1);
    const Deadline until = call->deadline(0);
    if (unfinished_ == 0 || until.passed()) {
      call->reply_value(unfinished_ == 0);
    } else {
      joining_.add(*this, call, until, [](CallPtr& late) { late->reply_value(false); });
    }
  }

  void add(Item item) {
    items_.push_back(std::move(item));
    ++unfinished_;
  }
  void give(Call& call) {
    Item item = std::move(items_.front());
    items_.pop_front();
    call.reply(item);
    keep(call, std::move(item));
  }
  void keep(Call& call, Item item) {
    if (joinable_) {
      call.session().concern(*this);
      taken_[&call.session()].push_back({call.thread(), std::move(item)});
    }
  }
  // Items to those who wait for some, and then the items of those who wait for room.
  void hand_out() {
    while (!items_.empty() && !getting_.empty()) {
      give(*getting_.pop());
    }
    take_in();
  }
  void take_in() {
    while (has_room() && !putting_.empty()) {
      const CallPtr call = putting_.pop();
      add(call->item(0));
      call->reply_value(true);
      if (!getting_.empty()) {
        give(*getting_.pop());
      }
    }
  }

  const std::uint64_t maxsize_;
  const bool joinable_;
  std::deque<Item> items_;
  std::uint64_t unfinished_ = 0;
  std::unordered_map<const Session*, std::deque<Taken>> taken_;
  WaitList putting_;
  WaitList getting_;
  WaitList joining_;
};

// A Queue of shared memory. Its items are messages: the tag and the value, as ours are.
class SharedQueue final : public Served {
 public:
  SharedQueue(Server& server, const RawQueue& queue, Tags tags)
      : Served{server, "Queue", std::move(tags)}, queue_{queue} {}

  void serve(CallPtr& call) override {
    static constexpr Method<SharedQueue> kMethods[] = {
        {"put", &SharedQueue::put},           {"get", &SharedQueue::get},
        {"put_many", &SharedQueue::put_many}, {"get_many", &SharedQueue::get_many},
        {"qsize", &SharedQueue::qsize},       {"empty", &SharedQueue::empty},
        {"full", &SharedQueue::full},         {"task_done", &SharedQueue::task_done}};
    serve_by_name(*this, kMethods, call);
  }
  void forget(Session& session) override {
    getting_.drop(session);
    putting_.drop(session);
  }

 private:
  using Outcome = RawQueue::Outcome;

  bool try_put(const Call& call, std::size_t index) {
    const Item item = call.item(index, tag());
    if (!item.objects.empty()) {
      throw_objects_in_shared_queue();
    }
    RawQueue::Draft draft;
    Writer out{draft.begin(sizeof item.tag + item.bytes.size())};
    out.write_raw(item.tag);
    out.write_bytes(item.bytes.data(), item.bytes.size());
    const Outcome outcome = queue_.put(draft, Deadline::now());
    if (outcome == Outcome::closed) {
      throw QueueClosed{"the queue was shut down"};
    }
    return outcome == Outcome::done;
  }
  bool try_get(Item& item) {
    RawQueue::Item got;
    const Outcome outcome = queue_.get(got, Deadline::now());
    if (outcome == Outcome::closed) {
      throw QueueClosed{"the queue was shut down"};
    }
    if (outcome != Outcome::done) {
      return false;
    }
    Reader in{got.bytes()};
    item.tag = in.read_raw<std::uint64_t>();
    const ByteView rest = in.read_view(in.remaining());
    item.bytes.assign(reinterpret_cast<const char*>(rest.data()), rest.size());
    return true;
  }

  void put(CallPtr& call) {
    call->expect(1, 2);
    const Deadline until = call->deadline(1);
    if (putting_.empty() && try_put(*call, 0)) {
      call->reply_value(true);
      hand_out();
    } else if (until.passed()) {
      call->reply_value(false);
    } else {
      putting_.add(*this, call, until, [](CallPtr& late) { late->reply_value(false); });
      watch_room();
    }
  }
  void put_many(CallPtr& call) {
    std::uint64_t count = 0;
    while (count != call->size() && try_put(*call, count)) {
      ++count;
    }
    call->reply_value(count);
    hand_out();
  }
  void get(CallPtr& call) {
    call->expect(0, 1);
    const Deadline until = call->deadline(0);
    if (Item item; getting_.empty() && try_get(item)) {
      call->reply(item);
      take_in();
    } else if (until.passed()) {
      call->reply_nothing();
    } else {
      getting_.add(*this, call, until, [](CallPtr& late) { late->reply_nothing(); });
      watch();
    }
  }
  void get_many(CallPtr& call) {
    call->expect(1);
    const auto most = call->get<std::uint64_t>(0);
    std::vector<Item> got;
    for (Item item; got.size() < most && try_get(item);) {
      got.push_back(std::move(item));
    }
    std::vector<const Item*> items;
    for (const Item& item : got) {
      items.push_back(&item);
    }
    call->reply_items(items);
    take_in();
  }
  void qsize(CallPtr& call) { call->reply_value(static_cast<std::uint64_t>(queue_.size())); }
  void empty(CallPtr& call) { call->reply_value(queue_.empty()); }
  void full(CallPtr& call) { call->reply_value(queue_.full()); }
  void task_done(CallPtr& call) {
    queue_.task_done();
    call->reply_nothing();
  }

  // Items to those who wait, in order.
  void hand_out() {
    for (Item item; !getting_.empty();) {
      bool got = false;
      try {
        got = try_get(item);
      } catch (...) {
        getting_.pop()->fail(std::current_exception());
        continue;
      }
      if (!got) {
        return;
      }
      getting_.pop()->reply(item);
      take_in();
    }
  }
  void take_in() {
    while (!putting_.empty()) {
      try {
        if (!try_put(putting_.front(), 0)) {
          return;
        }
        putting_.pop()->reply_value(true);
      } catch (...) {
        putting_.pop()->fail(std::current_exception());
      }
    }
  }
  // Somebody else may put: their items wake us through the queue's descriptor.
  void watch() {
    if (watching_) {
      return;
    }
    watching_ = true;
    server().loop().watch(queue_.fileno(), [weak = weak_from_this(), this] {
      const ObjectPtr alive = weak.lock();
      if (!alive) {
        return false;
      }
      hand_out();
      watching_ = !getting_.empty();
      return watching_;
    });
    hand_out();  // what came before we watched
  }
  // Somebody else may get: the room that he makes wakes us, through a descriptor.
  void watch_room() {
    if (looking_) {
      return;
    }
    looking_ = true;
    if (!room_) {
      room_ = std::make_shared<Room>(queue_);
    }
    server().loop().watch(room_->feed.fileno(), [weak = weak_from_this(), this, room = room_] {
      const ObjectPtr alive = weak.lock();
      if (!alive) {
        return false;
      }
      take_in();
      room->feed.lower();
      looking_ = !putting_.empty();
      return looking_;
    });
    take_in();  // what was made before we watched
  }

  struct Room {
    explicit Room(const RawQueue& queue)
        : source{queue.room().source()}, feed{std::span{&source, 1}} {}
    std::shared_ptr<mp::detail::WaitSource> source;
    memory::Feed feed;
  };

  RawQueue queue_;
  bool watching_ = false;
  bool looking_ = false;
  std::shared_ptr<Room> room_;  // once somebody had to wait for some
  WaitList getting_;
  WaitList putting_;
};

}  // namespace

ObjectPtr make_queue(Server& server, Call& call, Tags tags) {
  const std::string_view name = call.name();
  if (name != "Queue" && name != "JoinableQueue") {
    return nullptr;
  }
  const std::uint64_t maxsize = call.size() < 2 ? 0 : call.get<std::uint64_t>(1);
  return std::make_shared<ServedQueue>(server, std::move(tags), maxsize, name == "JoinableQueue");
}

ObjectPtr serve_queue(Server& server, const RawQueue& queue, Tags tags) {
  auto object = std::make_shared<SharedQueue>(server, queue, std::move(tags));
  server.enter(object);
  return object;
}

}  // namespace mp::manager
