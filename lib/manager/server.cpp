// SPDX-License-Identifier: Apache-2.0
#include "manager/server.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "mp/errors/remote_error.hpp"
#include "mp/log.hpp"
#include "mp/manager/raw_proxy.hpp"
#include "mp/process/current.hpp"

#include "manager/frame_buffer.hpp"
#include "manager/served_pool.hpp"
#include "os/proc.hpp"

namespace mp::manager {

namespace {

// How long the server keeps an object that is on its way in a message of somebody's.
constexpr std::chrono::seconds kOnItsWay{60};

std::size_t most_workers() {
  return std::clamp<std::size_t>(static_cast<std::size_t>(cpu_count()), 4, 16);
}

}  // namespace

Server::Server(os::Fd listener, Address address, LoopOptions options, Registry registry,
               bool standard_types)
    : registry_{std::move(registry)},
      address_{std::move(address)},
      standard_types_{standard_types},
      origin_{.process_name = current_process().name(), .pid = os::pid(), .stack = {}},
      workers_{most_workers()},
      loop_{std::move(listener), std::move(options), *this} {
  for (const auto& type : registry_.types()) {
    if (type->kind == mp::detail::ServedType::Kind::queue) {
      shared_.emplace(type->name, serve_queue(*this, type->queue.front(), type->tags));
    } else if (type->kind == mp::detail::ServedType::Kind::standard) {
      shared_.emplace(type->name, make_named(*type));
    }
  }
}

// Threads first, since they speak to the loop; then whoever holds objects.
Server::~Server() {
  workers_.end();
  loop_.drop_clients();
  tenants_.end();
  shared_.clear();
}

// As a client would make it.
ObjectPtr Server::make_named(const mp::detail::ServedType& type) {
  if (type.standard == kSegments) {
    return make_segments(*this);
  }
  Writer frame;
  frame.write_raw(std::uint64_t{0});
  frame.write_raw(layout::Op::create);
  frame.write_raw(std::uint32_t{0});
  layout::write_text(frame, type.standard);
  const mp::detail::Arguments args{{}, type.tags};
  frame.write_raw(args.count());
  frame.write_bytes(args.bytes().data(), args.bytes().size());
  Call call{nullptr, frame.written()};
  return make_standard(*this, call);
}

void Server::run() {
  loop_.run();
}

std::uint64_t Server::number(Served& object) {
  (void)object;
  return ++last_id_;
}

void Server::enter(const ObjectPtr& object) {
  objects_.emplace(object->id(), object);
}

void Server::forget(std::uint64_t id) noexcept {
  objects_.erase(id);
}

ObjectPtr Server::find(std::uint64_t id) const {
  if (const auto known = objects_.find(id); known != objects_.end()) {
    if (ObjectPtr object = known->second.lock()) {
      return object;
    }
  }
  RemoteInfo info;
  info.type_name = "KeyError";
  throw RemoteError{"the server has no object " + std::to_string(id) + " (any more)",
                    std::move(info)};
}

ObjectPtr Server::find_by_name(std::string_view id) const {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number, 16);
  if (error != std::errc{} || end != id.data() + id.size()) {
    return nullptr;
  }
  const auto known = objects_.find(number);
  return known == objects_.end() ? nullptr : known->second.lock();
}

void Server::on_frame(Peer& peer, ByteView frame) {
  if (peer.python) {
    // It may be gone when it has answered.
    const std::shared_ptr<python::Conversation> talk = peer.python;
    talk->on_message(frame);
    return;
  }
  if (!peer.session) {
    greet(peer, frame);
    return;
  }
  CallPtr call;
  try {
    call = std::make_unique<Call>(peer.session, frame);
  } catch (const RemoteError&) {
    // An argument that is an object we do not have: the request itself is in order.
    Reader in{frame};
    Bytes head(frame.begin(), frame.begin() + 8);
    head.resize(8 + 1 + 4);
    head[8] = static_cast<std::byte>(layout::Op::ping);
    std::memset(head.data() + 9, 0, 4);
    Call refused{peer.session, head};
    refused.fail(std::current_exception());
    return;
  }
  dispatch(call);
}

void Server::greet(Peer& peer, ByteView frame) {
  if (frame.size() != layout::kAskForNative.size() ||
      std::memcmp(frame.data(), layout::kAskForNative.data(), frame.size()) != 0) {
    peer.python = std::make_shared<python::Conversation>(*this, tenants_, peer);
    on_frame(peer, frame);
    return;
  }
  peer.session = std::make_shared<Session>(*this, &peer);
  add_frame(peer.out, std::as_bytes(std::span{layout::kNativeAccepted}));
  loop_.touch(peer);
}

void Server::on_gone(Peer& peer) {
  if (const std::shared_ptr<python::Conversation> talk = std::move(peer.python)) {
    talk->on_gone();
  }
  if (const std::shared_ptr<Session> session = std::move(peer.session)) {
    session->end();
  }
}

void Server::dispatch(CallPtr& call) {
  try {
    switch (call->op()) {
      case layout::Op::call:
        find(call->object())->serve(call);
        break;
      case layout::Op::create:
        create(call);
        break;
      case layout::Op::incref:
        call->session().hold(find(call->object()));
        call->reply_nothing();
        break;
      case layout::Op::decref:
        call->session().let_go(call->object());
        break;
      case layout::Op::lend:
        lend(call->object());
        break;
      case layout::Op::ping:
        call->reply_nothing();
        break;
      case layout::Op::count:
        call->reply_value(static_cast<std::uint64_t>(objects_.size()));
        break;
      case layout::Op::shutdown:
        call->reply_nothing();
        loop_.stop();
        break;
    }
  } catch (...) {
    if (call) {
      call->fail(std::current_exception());
    }
  }
}

void Server::lend(std::uint64_t id) {
  const ObjectPtr object = find(id);
  (void)loop_.add_timer(Deadline{kOnItsWay}, [object] {});
}

void Server::create(CallPtr& call) {
  if (const auto shared = shared_.find(std::string{call->name()}); shared != shared_.end()) {
    call->expect(0);
    call->reply_object(shared->second);
    return;
  }
  if (const mp::detail::ServedType* type = registry_.find(call->name());
      type != nullptr && type->kind != mp::detail::ServedType::Kind::function) {
    make_registered(*this, *type, call);
    return;
  }
  if (standard_types_ && call->name() == "Pool") {
    make_pool(*this, call);
    return;
  }
  if (standard_types_) {
    if (const ObjectPtr object = make_standard(*this, *call)) {
      call->reply_object(object);
      return;
    }
  }
  RemoteInfo info;
  info.type_name = "KeyError";
  throw RemoteError{"nothing is registered as '" + std::string{call->name()} + "'",
                    std::move(info)};
}

ObjectPtr make_standard(Server& server, Call& call) {
  Tags tags = call.size() == 0 ? Tags{} : call.get<Tags>(0);
  for (const auto make : {&make_container, &make_value, &make_sync, &make_queue}) {
    if (ObjectPtr object = make(server, call, tags)) {
      server.enter(object);
      return object;
    }
  }
  return nullptr;
}

}  // namespace mp::manager
