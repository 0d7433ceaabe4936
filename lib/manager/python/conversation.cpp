// SPDX-License-Identifier: Apache-2.0
#include "manager/python/conversation.hpp"

#include <utility>

#include "mp/codec/pickle/exception.hpp"
#include "mp/errors/error.hpp"
#include "mp/errors/remote_error.hpp"
#include "mp/log.hpp"

#include "manager/frame_buffer.hpp"
#include "manager/python/items.hpp"
#include "manager/server.hpp"
#include "os/pidfd.hpp"

namespace mp::manager::python {

namespace {

using pickle::Kind;

// Hears of the answer to a call that a method of Python's has made.
class Answer final : public Asker {
 public:
  Answer(std::weak_ptr<Conversation> to, Shape shape) : to_{std::move(to)}, shape_{shape} {}
  ~Answer() override {
    if (const auto to = to_.lock()) {
      to->set_waiting(nullptr);
    }
  }
  void asks(Call& call) override {
    if (const auto to = to_.lock()) {
      to->set_waiting(&call);
    }
  }
  void answered(Outcome&& outcome) override {
    if (const auto to = to_.lock()) {
      to->set_waiting(nullptr);
      to->finish(std::move(outcome), shape_);
    }
  }

 private:
  std::weak_ptr<Conversation> to_;
  Shape shape_;
};

// Keeps the answer to a call that is answered at once.
class Kept final : public Asker {
 public:
  explicit Kept(std::shared_ptr<Outcome> outcome) : outcome_{std::move(outcome)} {}
  void answered(Outcome&& outcome) override { *outcome_ = std::move(outcome); }

 private:
  std::shared_ptr<Outcome> outcome_;
};

std::string traceback_of(std::string_view type, std::string_view text) {
  return "Traceback (most recent call last):\n" + std::string{type} + ": " + std::string{text} +
         "\n";
}

}  // namespace

std::shared_ptr<Session> Tenants::process(int pid) {
  if (pid <= 0) {
    return nullptr;
  }
  if (const auto known = processes_.find(pid); known != processes_.end()) {
    return known->second.session;
  }
  os::Fd pidfd;
  try {
    pidfd = os::pidfd_open(pid);
  } catch (const OsError&) {
    return nullptr;  // gone already
  }
  if (!pidfd) {
    return nullptr;
  }
  const int fd = pidfd.get();
  auto session = std::make_shared<Session>(server_);
  processes_.emplace(pid, Process{std::move(pidfd), session});
  server_.loop().watch(fd, [this, pid] {
    const auto known = processes_.find(pid);
    const std::shared_ptr<Session> ended = known->second.session;
    // The loop lets go of the descriptor after this, and it is closed then.
    const auto closing = std::make_shared<os::Fd>(std::move(known->second.pidfd));
    processes_.erase(known);
    server_.loop().post([closing] {});
    ended->end();
    return false;
  });
  return session;
}

const std::shared_ptr<Session>& Tenants::strangers() {
  if (!strangers_) {
    strangers_ = std::make_shared<Session>(server_);
  }
  return strangers_;
}

void Tenants::end() noexcept {
  for (const auto& [pid, process] : processes_) {
    process.session->end();
  }
  if (strangers_) {
    strangers_->end();
  }
}

Conversation::Conversation(Server& server, Tenants& tenants, Peer& peer)
    : server_{server},
      tenants_{tenants},
      peer_{&peer},
      session_{tenants.process(peer.process)},
      thread_{server.next_thread()},
      knows_process_{session_ != nullptr},
      address_{to_value(server.loop().address_of(peer, server.address()))} {
  if (!session_) {
    session_ = std::make_shared<Session>(server);
  }
}

Conversation::~Conversation() = default;

void Conversation::on_gone() {
  peer_ = nullptr;
  if (waiting_ != nullptr) {
    waiting_->withdraw();
  }
  if (!knows_process_) {
    session_->end();
  }
}

Session& Conversation::holder() {
  return knows_process_ ? *session_ : *tenants_.strangers();
}

void Conversation::on_message(ByteView message) {
  if (phase_ == Phase::over || waiting_ != nullptr) {
    throw DecodeError{"a client of CPython's asks one thing at a time", {}};
  }
  const Request request = read_request(message);
  lent_.clear();
  try {
    if (phase_ == Phase::first) {
      phase_ = request.method == "accept_connection" ? Phase::session : Phase::over;
      serve_itself(request);
    } else {
      serve_object(request);
    }
  } catch (...) {
    fail(std::current_exception());
  }
}

ObjectPtr Conversation::named(const Request& request) const {
  std::string id;
  if (request.args.size() == 1) {
    if (const auto token = token_of(request.args[0])) {
      id = token->id;
    } else if (request.args[0].kind() == Kind::string) {
      id = request.args[0].as_string();
    }
  }
  ObjectPtr object = server_.find_by_name(id);
  if (!object) {
    RemoteInfo info;
    info.type_name = "KeyError";
    throw RemoteError{Value{id}.repr(), std::move(info)};
  }
  return object;
}

void Conversation::serve_itself(const Request& request) {
  const std::string& name = request.method;
  if (name == "create") {
    create(request);
  } else if (name == "incref") {
    holder().hold(named(request));
    reply({});
  } else if (name == "decref") {
    const ObjectPtr object = named(request);
    if (!holder().let_go(object->id()) && !tenants_.strangers()->let_go(object->id())) {
      RemoteInfo info;
      info.type_name = "KeyError";
      throw RemoteError{"this process does not hold " + id_of(*object), std::move(info)};
    }
    reply({});
  } else if (name == "get_methods") {
    Items names;
    for (const std::string& each : exposed_by(*named(request))) {
      names.emplace_back(each);
    }
    reply(Value::tuple(std::move(names)));
  } else if (name == "dummy" || name == "accept_connection") {
    reply({});
  } else if (name == "number_of_objects") {
    reply(Value{server_.objects().size()});
  } else if (name == "debug_info") {
    std::string text;
    for (const auto& [id, object] : server_.objects()) {
      text += text.empty() ? "  " : "\n  ";
      text += id_of(*object.lock()) + ":       <" + object.lock()->type() + " object>";
    }
    reply(Value{text});
  } else if (name == "track_segment" || name == "release_segment" || name == "list_segments") {
    serve_segments(request);
  } else if (name == "shutdown") {
    reply({});
    server_.stop();
  } else {
    RemoteInfo info;
    info.type_name = "AssertionError";
    throw RemoteError{Value{name}.repr() + " unrecognized", std::move(info)};
  }
}

// What CPython's SharedMemoryManager asks for.
void Conversation::serve_segments(const Request& request) {
  const ObjectPtr segments = server_.find_shared(std::string{kSegments});
  if (!segments) {
    RemoteInfo info;
    info.type_name = "AttributeError";
    throw RemoteError{"this manager keeps no shared memory", std::move(info)};
  }
  const Invocation invocation{*this, request, segments};
  if (request.method == "list_segments") {
    reply(Value::list(invocation.values_of("list")));
    return;
  }
  const Arguments args{request, {"name"}, 1};
  invocation.run(request.method == "track_segment" ? "track" : "release",
                 {make_item(pickle::to<std::string>(args.at(0)))});
  reply({});
}

void Conversation::create(const Request& request) {
  if (request.args.empty() || request.args[0].kind() != Kind::string) {
    raise_type_error("create takes the name of a type");
  }
  creating_ = true;
  const std::string& type = request.args[0].as_string();
  if (type == "Pool" && !server_.is_registered(type) && server_.has_standard_types()) {
    const std::vector<Item> args = pool_arguments(
        {std::nullopt, type, {request.args.begin() + 1, request.args.end()}, request.kwds});
    call(nullptr, type, args, std::make_unique<Answer>(weak_from_this(), &as_it_is));
    return;
  }
  if (!server_.is_registered(type) && server_.has_standard_types()) {
    if (const ObjectPtr object = python::make_standard(*this, request)) {
      reply_object(object);
      return;
    }
  }
  if (!request.kwds.empty()) {
    raise_type_error("what is registered in C++ takes arguments by their position");
  }
  std::vector<Item> args;
  for (std::size_t i = 1; i != request.args.size(); ++i) {
    args.push_back(item_of(request.args[i], server_));
  }
  call(nullptr, type, args, std::make_unique<Answer>(weak_from_this(), &as_it_is));
}

void Conversation::serve_object(const Request& request) {
  const ObjectPtr object = request.id ? server_.find_by_name(*request.id) : nullptr;
  if (!object) {
    RemoteInfo info;
    info.type_name = "KeyError";
    throw RemoteError{Value{request.id.value_or("")}.repr(), std::move(info)};
  }
  Invocation invocation{*this, request, object};
  if (!object->methods().empty()) {
    if (!request.kwds.empty()) {
      raise_type_error("methods of C++ take arguments by their position");
    }
    std::vector<Item> args;
    for (const Value& arg : request.args) {
      args.push_back(invocation.item(arg));
    }
    invocation.ask(request.method, std::move(args));
    return;
  }
  for (const Method& method : methods_of(*object)) {
    if (method.name == request.method) {
      method.run(invocation);
      return;
    }
  }
  if (request.method == "__repr__" || request.method == "__str__") {
    reply(Value{"<" + object->type() + " object>"});
    return;
  }
  throw_unknown_method(object->type(), request.method);
}

CallPtr Conversation::call_of(Served* object, std::string_view name, std::span<const Item> args,
                              std::unique_ptr<Asker> asker) const {
  Writer frame;
  frame.write_raw(std::uint64_t{1});
  frame.write_raw(object != nullptr ? layout::Op::call : layout::Op::create);
  frame.write_raw(thread_);
  if (object != nullptr) {
    frame.write_raw(object->id());
  }
  layout::write_text(frame, name);
  frame.write_raw(static_cast<std::uint32_t>(args.size()));
  for (const Item& item : args) {
    frame.write_raw(item.tag);
    frame.write_raw(static_cast<std::uint64_t>(item.bytes.size()));
    frame.write_raw(static_cast<std::uint32_t>(item.objects.size()));
    for (const ObjectPtr& each : item.objects) {
      frame.write_raw(each->id());
    }
    frame.write_bytes(item.bytes.data(), item.bytes.size());
  }
  return std::make_unique<Call>(session_, frame.written(), std::move(asker));
}

void Conversation::call(Served* object, std::string_view name, std::span<const Item> args,
                        std::unique_ptr<Asker> asker) {
  CallPtr made = call_of(object, name, args, std::move(asker));
  server_.dispatch(made);
}

ObjectPtr Conversation::make(std::string_view type, std::span<const Item> args) {
  const CallPtr made = call_of(nullptr, type, args, nullptr);
  return manager::make_standard(server_, *made);
}

void Conversation::lend(const Outcome& outcome) {
  for (const Item& item : outcome.items) {
    lent_.insert(lent_.end(), item.objects.begin(), item.objects.end());
  }
}

void Conversation::finish(Outcome&& outcome, Shape shape) noexcept {
  try {
    lend(outcome);
    if (outcome.kind == layout::ReplyKind::object) {
      reply_object(outcome.object);
    } else {
      reply(shape(*this, std::move(outcome)));
    }
  } catch (...) {
    fail(std::current_exception());
  }
}

void Conversation::reply(const Value& value) {
  say(value_reply(value));
}

// The receiver is counted before it hears of the object.
void Conversation::reply_object(const ObjectPtr& object) {
  holder().hold(object);
  if (creating_) {
    reply(to_value(Created{id_of(*object), exposed_by(*object)}));
  } else {
    say(proxy_reply(exposed_by(*object), {object->type(), address_, id_of(*object)}));
  }
}

void Conversation::fail(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const Raised& raised) {
    say(error_reply(raised.exception()));
  } catch (const RemoteError& remote) {
    const bool is_ours = remote.type_name() == "KeyError" ||
                         remote.type_name() == "AttributeError" ||
                         remote.type_name() == "AssertionError";
    say(is_ours ? traceback_reply(traceback_of(remote.type_name(), remote.what()))
                : error_reply(error));
  } catch (...) {
    say(error_reply(error));
  }
}

void Conversation::say(Bytes&& message) {
  if (peer_ == nullptr) {
    return;
  }
  add_frame(peer_->out, message);
  peer_->closing = phase_ != Phase::session;
  server_.loop().touch(*peer_);
}

void Invocation::ask(std::string_view method, std::vector<Item> args, Shape shape) const {
  from_.call(object_.get(), method, args, std::make_unique<Answer>(from_.weak_from_this(), shape));
}

Outcome Invocation::run_on(Served& object, std::string_view method, std::vector<Item> args) const {
  const auto outcome = std::make_shared<Outcome>();
  from_.call(&object, method, args, std::make_unique<Kept>(outcome));
  if (outcome->error) {
    std::rethrow_exception(outcome->error);
  }
  from_.lend(*outcome);
  return std::move(*outcome);
}

void Invocation::reply(const Value& value) const {
  from_.reply(value);
}

void Invocation::reply_object(const ObjectPtr& object) const {
  from_.reply_object(object);
}

Item Invocation::item(const Value& value) const {
  return item_of(value, server());
}

Value Invocation::value(const Item& item) const {
  return python::value_of(item, from_.address());
}

}  // namespace mp::manager::python
