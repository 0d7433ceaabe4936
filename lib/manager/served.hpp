// SPDX-License-Identifier: Apache-2.0
// manager/served.hpp — the objects of a server, and the calls that reach them.
//
// All of this lives in the thread of the server's event loop. An object answers a call at once, or
// keeps it in a WaitList until another call, a timer or the end of a client lets it be answered: a
// client that waits costs a record, not a thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/deadline.hpp"
#include "mp/codec/type_tag.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/codec/types/vector.hpp"
#include "mp/manager/item.hpp"

#include "manager/event_loop.hpp"
#include "manager/protocol_layout.hpp"

namespace mp::manager {

class Call;
class Served;
class Server;
using CallPtr = std::unique_ptr<Call>;
using ObjectPtr = std::shared_ptr<Served>;
using Tags = std::vector<std::uint64_t>;

// A value that an object keeps. The objects that are named in it live as long as it does.
struct Item {
  std::uint64_t tag = 0;
  std::string bytes = {};  // short values need no memory of their own
  std::vector<ObjectPtr> objects = {};

  [[nodiscard]] ByteView view() const noexcept {
    return std::as_bytes(std::span{bytes.data(), bytes.size()});
  }
  friend bool operator==(const Item& a, const Item& b) noexcept {
    return a.tag == b.tag && a.bytes == b.bytes;
  }
};

template <class T>
Item make_item(const T& value) {
  Item item{mp::detail::kTypeTag<T>, std::string(encoded_size(value), '\0'), {}};
  Writer out{std::as_writable_bytes(std::span{item.bytes.data(), item.bytes.size()})};
  mp::write(out, value);
  return item;
}

// A client process, and what it holds.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // Without a peer: nobody is answered through it.
  explicit Session(Server& server, Peer* peer = nullptr) noexcept : server_{server}, peer_{peer} {}

  [[nodiscard]] Server& server() const noexcept { return server_; }
  // Null once the client is gone.
  [[nodiscard]] Peer* peer() const noexcept { return peer_; }
  void hold(const ObjectPtr& object);
  // Returns false when it is not held.
  bool let_go(std::uint64_t id);
  // `object` is to hear of the end of this client.
  void concern(Served& object);
  // It is no more.
  void unconcern(std::uint64_t id) noexcept { concerned_.erase(id); }
  void end() noexcept;

 private:
  struct Hold {
    ObjectPtr object;
    std::size_t count = 0;
  };
  Server& server_;
  Peer* peer_;
  std::unordered_map<std::uint64_t, Hold> held_;
  std::unordered_map<std::uint64_t, std::weak_ptr<Served>> concerned_;
};

// How a call ended.
struct Outcome {
  layout::ReplyKind kind = layout::ReplyKind::nothing;
  std::vector<Item> items = {};
  ObjectPtr object = nullptr;
  std::exception_ptr error = nullptr;
};

// Who asked, where that was no frame of mp's own wire. Hears of the answer at most once.
class Asker {
 public:
  Asker() = default;
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;
  virtual ~Asker() = default;
  // The call that asks for it, which owns it until it is answered.
  virtual void asks(Call& call) { (void)call; }
  virtual void answered(Outcome&& outcome) = 0;
};

struct WaitEntry;
class WaitList;

// A request that is being served. Whoever destroys it without an answer has answered "nothing".
class Call {
 public:
  explicit Call(std::shared_ptr<Session> session, ByteView frame,
                std::unique_ptr<Asker> asker = nullptr);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  [[nodiscard]] layout::Op op() const noexcept { return op_; }
  [[nodiscard]] std::uint64_t object() const noexcept { return object_; }
  // Of a call its method, of a creation the type.
  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] Session& session() const noexcept { return *session_; }
  [[nodiscard]] std::uint32_t thread() const noexcept { return thread_; }

  [[nodiscard]] std::size_t size() const noexcept { return args_.size(); }
  // Throws std::invalid_argument unless there are so many arguments.
  void expect(std::size_t least, std::size_t most) const;
  void expect(std::size_t count) const { expect(count, count); }
  [[nodiscard]] mp::detail::ItemView view(std::size_t index) const { return args_.at(index).view; }
  // An argument, for keeping.
  [[nodiscard]] Item item(std::size_t index) const;
  // The same, of the type with `tag`. Between that and a Python value it is converted, if the
  // program knows the type; otherwise throws TypeMismatch.
  [[nodiscard]] Item item(std::size_t index, std::uint64_t tag) const;
  // The same, for a key: equal ones have equal bytes.
  [[nodiscard]] Item key(std::size_t index, std::uint64_t tag) const;
  template <class T>
  [[nodiscard]] T get(std::size_t index) const {
    return mp::detail::item_value<T>(view(index));
  }
  // Nanoseconds from now; negative is never, as is a missing argument.
  [[nodiscard]] Deadline deadline(std::size_t index) const;
  // The object that an argument names. Throws std::invalid_argument when it names none.
  [[nodiscard]] ObjectPtr object_argument(std::size_t index) const;
  // All objects that its arguments name.
  [[nodiscard]] std::span<const ObjectPtr> objects() const noexcept { return objects_; }

  void reply_nothing();
  void reply(const Item& item);
  void reply_items(std::span<const Item* const> items);
  void reply_object(const ObjectPtr& object);
  void fail(const std::exception_ptr& error);
  // A result that was encoded elsewhere.
  void reply_encoded(std::uint64_t tag, ByteView bytes, std::span<const ObjectPtr> objects);
  template <class T>
  void reply_value(const T& value) {
    reply(make_item(value));
  }

  // Leaves the list in which it waits, unanswered: nobody is there any more for the answer. Nothing
  // happens if it waits in none.
  void withdraw();

  // For the objects that keep calls: how often a lock is to be held, and what to answer then.
  std::uint32_t depth = 1;
  bool outcome = true;

 private:
  struct Argument {
    mp::detail::ItemView view;
    std::uint32_t first_object = 0;
    std::uint32_t objects = 0;
  };
  struct Out;

  [[nodiscard]] std::span<const ObjectPtr> objects_of(const Argument& argument) const;
  void read_arguments(Reader& in);
  void answer(Outcome&& outcome);

  friend class WaitList;
  std::shared_ptr<Session> session_;
  std::unique_ptr<Asker> asker_;
  WaitList* waits_in_ = nullptr;
  std::list<WaitEntry>::iterator place_;  // there
  Bytes frame_;
  std::uint64_t id_ = 0;
  std::uint32_t thread_ = 0;
  layout::Op op_ = layout::Op::ping;
  std::uint64_t object_ = 0;
  std::string_view name_;
  std::vector<Argument> args_;
  std::vector<ObjectPtr> objects_;
};

class Served : public std::enable_shared_from_this<Served> {
 public:
  Served(Server& server, std::string type, Tags tags);
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  virtual ~Served();

  // Answers `call`, or takes it. What it throws is the answer.
  virtual void serve(CallPtr& call) = 0;
  // A client is gone that was concerned.
  virtual void forget(Session& session) { (void)session; }
  // A call that waited was withdrawn.
  virtual void withdrawn() {}
  // The methods that it answers, of a class of the user's. Nothing for the standard types.
  [[nodiscard]] virtual std::vector<std::string> methods() const { return {}; }

  [[nodiscard]] Server& server() const noexcept { return server_; }
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] const std::string& type() const noexcept { return type_; }
  [[nodiscard]] const Tags& tags() const noexcept { return tags_; }
  // The type of its values number `index`. Throws std::invalid_argument when it was made without.
  [[nodiscard]] std::uint64_t tag(std::size_t index = 0) const;

 private:
  Server& server_;
  std::uint64_t id_;
  std::string type_;
  Tags tags_;
};

// Calls that wait, in order.
class WaitList {
 public:
  // What to do with a call whose time is over.
  using Expired = std::function<void(CallPtr&)>;

  WaitList() = default;
  ~WaitList();
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;

  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  // `object` hears of the end of the client, and must call drop() then.
  void add(Served& object, CallPtr& call, Deadline until, Expired expired);
  [[nodiscard]] CallPtr pop();
  [[nodiscard]] const Call& front() const;
  // Forgets what the client waits for; returns how many calls that were.
  std::size_t drop(const Session& session) noexcept;

 private:
  friend class Call;
  CallPtr take(std::list<WaitEntry>::iterator place);
  std::list<WaitEntry> entries_;
};

struct WaitEntry {
  CallPtr call;
  Served& object;
  EventLoop::TimerId timer = 0;
  WaitList::Expired expired = {};
};

inline const Call& WaitList::front() const {
  return *entries_.front().call;
}

[[noreturn]] void throw_unknown_method(std::string_view type, std::string_view method);

// The methods of a class of objects, by name.
template <class Self>
struct Method {
  std::string_view name;
  void (Self::*run)(CallPtr& call);
};

template <class Self, std::size_t N>
void serve_by_name(Self& self, const Method<Self> (&methods)[N], CallPtr& call) {
  for (const Method<Self>& each : methods) {
    if (each.name == call->name()) {
      (self.*each.run)(call);
      return;
    }
  }
  throw_unknown_method(self.type(), call->name());
}

}  // namespace mp::manager
