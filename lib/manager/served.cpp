// SPDX-License-Identifier: Apache-2.0
#include "manager/served.hpp"

#include <stdexcept>

#include "mp/codec/exception.hpp"
#include "mp/errors/remote_error.hpp"

#include "manager/frame_buffer.hpp"
#include "manager/python/items.hpp"
#include "manager/server.hpp"

namespace mp::manager {

void throw_unknown_method(std::string_view type, std::string_view method) {
  RemoteInfo info;
  info.type_name = "AttributeError";
  throw RemoteError{
      "a " + std::string{type} + " does not expose a method '" + std::string{method} + "'",
      std::move(info)};
}

void Session::hold(const ObjectPtr& object) {
  Hold& hold = held_[object->id()];
  hold.object = object;
  ++hold.count;
}

bool Session::let_go(std::uint64_t id) {
  const auto known = held_.find(id);
  if (known == held_.end()) {
    return false;
  }
  if (--known->second.count == 0) {
    const ObjectPtr last = std::move(known->second.object);
    held_.erase(known);
  }
  return true;
}

void Session::concern(Served& object) {
  concerned_.try_emplace(object.id(), object.weak_from_this());
}

void Session::end() noexcept {
  peer_ = nullptr;
  const auto concerned = std::move(concerned_);
  for (const auto& [id, weak] : concerned) {
    if (const ObjectPtr object = weak.lock()) {
      object->forget(*this);
    }
  }
  const auto held = std::move(held_);
}

Call::Call(std::shared_ptr<Session> session, ByteView frame, std::unique_ptr<Asker> asker)
    : session_{std::move(session)}, asker_{std::move(asker)}, frame_(frame.begin(), frame.end()) {
  Reader in{frame_};
  id_ = in.read_raw<std::uint64_t>();
  op_ = static_cast<layout::Op>(in.read_choice(layout::kOps));
  thread_ = in.read_raw<std::uint32_t>();
  switch (op_) {
    case layout::Op::call:
      object_ = in.read_raw<std::uint64_t>();
      name_ = layout::read_text(in);
      read_arguments(in);
      break;
    case layout::Op::create:
      name_ = layout::read_text(in);
      read_arguments(in);
      break;
    case layout::Op::incref:
    case layout::Op::decref:
    case layout::Op::lend:
      object_ = in.read_raw<std::uint64_t>();
      break;
    default:
      break;
  }
  in.expect_end();
  if (asker_) {
    asker_->asks(*this);
  }
}

void Call::read_arguments(Reader& in) {
  const auto count = in.read_raw<std::uint32_t>();
  if (count > in.remaining() / layout::kItemHead) {
    in.fail("more arguments are announced than there are bytes for");
  }
  args_.reserve(count);
  for (std::uint32_t i = 0; i != count; ++i) {
    Argument& argument = args_.emplace_back();
    argument.view.tag = in.read_raw<std::uint64_t>();
    const auto size = in.read_raw<std::uint64_t>();
    argument.first_object = static_cast<std::uint32_t>(objects_.size());
    argument.objects = in.read_raw<std::uint32_t>();
    for (std::uint32_t k = 0; k != argument.objects; ++k) {
      objects_.push_back(session_->server().find(in.read_raw<std::uint64_t>()));
    }
    argument.view.bytes = in.read_view(size);
  }
}

void Call::expect(std::size_t least, std::size_t most) const {
  if (args_.size() < least || args_.size() > most) {
    throw std::invalid_argument("'" + std::string{name_} + "' takes " +
                                std::to_string(least == most ? most : least) +
                                (least == most ? "" : " to " + std::to_string(most)) +
                                " arguments, and " + std::to_string(args_.size()) + " were given");
  }
}

std::span<const ObjectPtr> Call::objects_of(const Argument& argument) const {
  return std::span{objects_}.subspan(argument.first_object, argument.objects);
}

Item Call::item(std::size_t index) const {
  const Argument& argument = args_.at(index);
  const auto objects = objects_of(argument);
  return Item{argument.view.tag,
              std::string{reinterpret_cast<const char*>(argument.view.bytes.data()),
                          argument.view.bytes.size()},
              std::vector<ObjectPtr>(objects.begin(), objects.end())};
}

Item Call::item(std::size_t index, std::uint64_t tag) const {
  return view(index).tag == tag ? item(index) : python::converted(item(index), tag);
}

Item Call::key(std::size_t index, std::uint64_t tag) const {
  return python::as_key(item(index, tag));
}

void Call::withdraw() {
  if (waits_in_ != nullptr) {
    Served& object = place_->object;
    const CallPtr self = waits_in_->take(place_);
    object.withdrawn();
  }
}

void Call::answer(Outcome&& end) {
  id_ = 0;
  const std::unique_ptr<Asker> asker = std::move(asker_);
  asker->answered(std::move(end));
}

Deadline Call::deadline(std::size_t index) const {
  if (index >= args_.size()) {
    return Deadline::never();
  }
  const auto ns = get<std::int64_t>(index);
  return ns < 0    ? Deadline::never()
         : ns == 0 ? Deadline::now()
                   : Deadline{std::chrono::nanoseconds{ns}};
}

ObjectPtr Call::object_argument(std::size_t index) const {
  const Argument& argument = args_.at(index);
  if (argument.objects != 1) {
    throw std::invalid_argument("an object of this server was expected as argument");
  }
  return objects_[argument.first_object];
}

// One reply: a frame at the end of what its peer is sent.
struct Call::Out {
  Out(Call& the_call, layout::ReplyKind kind, std::size_t size)
      : call{the_call}, peer{the_call.id_ == 0 ? nullptr : the_call.session_->peer()} {
    if (peer != nullptr) {
      head = begin_frame(peer->out);
      at = peer->out.size();
      peer->out.resize(at + layout::kReplyHead + size);
      put(call.id_);
      put(kind);
    }
  }
  ~Out() {
    if (peer != nullptr) {
      end_frame(peer->out, head);
      call.session_->server().loop().touch(*peer);
    }
    call.id_ = 0;  // answered
  }
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;

  template <class T>
  void put(const T& value) {
    put_bytes(&value, sizeof value);
  }
  void put_bytes(const void* from, std::size_t size) {
    if (peer != nullptr) {
      copy_bytes(peer->out.data() + at, from, size);
      at += size;
    }
  }
  void put_item(std::uint64_t tag, ByteView bytes, std::span<const ObjectPtr> objects) {
    put(tag);
    put(static_cast<std::uint64_t>(bytes.size()));
    put(static_cast<std::uint32_t>(objects.size()));
    for (const ObjectPtr& object : objects) {
      put(object->id());
      if (peer != nullptr) {
        call.session_->hold(object);
      }
    }
    put_bytes(bytes.data(), bytes.size());
  }
  static std::size_t item_size(ByteView bytes, std::size_t objects) {
    return layout::kItemHead + objects * sizeof(std::uint64_t) + bytes.size();
  }

  Call& call;
  Peer* peer;
  std::size_t head = 0;
  std::size_t at = 0;
};

void Call::reply_nothing() {
  if (asker_) {
    answer({});
    return;
  }
  Out{*this, layout::ReplyKind::nothing, 0};
}

void Call::reply_encoded(std::uint64_t tag, ByteView bytes, std::span<const ObjectPtr> objects) {
  if (asker_) {
    Outcome end{.kind = layout::ReplyKind::value};
    end.items.push_back({tag,
                         {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                         {objects.begin(), objects.end()}});
    answer(std::move(end));
    return;
  }
  Out out{*this, layout::ReplyKind::value, Out::item_size(bytes, objects.size())};
  out.put_item(tag, bytes, objects);
}

void Call::reply(const Item& item) {
  reply_encoded(item.tag, item.view(), item.objects);
}

void Call::reply_items(std::span<const Item* const> items) {
  if (asker_) {
    Outcome end{.kind = layout::ReplyKind::values};
    end.items.reserve(items.size());
    for (const Item* item : items) {
      end.items.push_back(*item);
    }
    answer(std::move(end));
    return;
  }
  std::size_t size = sizeof(std::uint64_t);
  for (const Item* item : items) {
    size += Out::item_size(item->view(), item->objects.size());
  }
  Out out{*this, layout::ReplyKind::values, size};
  out.put(static_cast<std::uint64_t>(items.size()));
  for (const Item* item : items) {
    out.put_item(item->tag, item->view(), item->objects);
  }
}

void Call::reply_object(const ObjectPtr& object) {
  if (asker_) {
    answer({.kind = layout::ReplyKind::object, .object = object});
    return;
  }
  if (id_ != 0 && session_->peer() != nullptr) {
    session_->hold(object);
  }
  const Tags& tags = object->tags();
  Out out{*this, layout::ReplyKind::object, 8 + 4 + object->type().size() + 4 + 8 * tags.size()};
  out.put(object->id());
  out.put(static_cast<std::uint32_t>(object->type().size()));
  out.put_bytes(object->type().data(), object->type().size());
  out.put(static_cast<std::uint32_t>(tags.size()));
  out.put_bytes(tags.data(), 8 * tags.size());
}

void Call::fail(const std::exception_ptr& error) {
  if (asker_) {
    answer({.kind = layout::ReplyKind::error, .error = error});
    return;
  }
  const Bytes bytes = encode_exception(error, session_->server().origin());
  Out out{*this, layout::ReplyKind::error, bytes.size()};
  out.put_bytes(bytes.data(), bytes.size());
}

Served::Served(Server& server, std::string type, Tags tags)
    : server_{server}, id_{server.number(*this)}, type_{std::move(type)}, tags_{std::move(tags)} {}

Served::~Served() {
  server_.forget(id_);
}

std::uint64_t Served::tag(std::size_t index) const {
  if (index >= tags_.size()) {
    throw std::invalid_argument("a " + type_ + " is made with the types of its values");
  }
  return tags_[index];
}

WaitList::~WaitList() {
  while (!entries_.empty()) {
    pop()->fail(std::make_exception_ptr(
        RemoteError{"the object was dropped by all its holders while a call waited", {}}));
  }
}

void WaitList::add(Served& object, CallPtr& call, Deadline until, Expired expired) {
  Session& session = call->session();
  session.concern(object);
  entries_.push_back({std::move(call), object, 0, std::move(expired)});
  const auto place = std::prev(entries_.end());
  place->call->waits_in_ = this;
  place->call->place_ = place;
  if (!until.is_never()) {
    place->timer =
        session.server().loop().add_timer(until, [this, place, keep = object.weak_from_this()] {
          if (const ObjectPtr alive = keep.lock()) {
            place->timer = 0;
            const Expired late = std::move(place->expired);
            CallPtr expired_call = take(place);
            late(expired_call);
          }
        });
  }
}

CallPtr WaitList::take(std::list<WaitEntry>::iterator place) {
  if (place->timer != 0) {
    place->call->session().server().loop().cancel_timer(place->timer);
  }
  CallPtr call = std::move(place->call);
  entries_.erase(place);
  call->waits_in_ = nullptr;
  return call;
}

CallPtr WaitList::pop() {
  return take(entries_.begin());
}

std::size_t WaitList::drop(const Session& session) noexcept {
  std::size_t dropped = 0;
  for (auto each = entries_.begin(); each != entries_.end();) {
    const auto place = each++;
    if (&place->call->session() == &session) {
      take(place);
      ++dropped;
    }
  }
  return dropped;
}

}  // namespace mp::manager
