// SPDX-License-Identifier: Apache-2.0
// manager/python/conversation.hpp — CPython's protocol on the server's side.
//
//   connection --> Conversation --> Method (table of the type) --> Call --> Served object
//                       |                                             |
//                    Tenants: whose locks, permits and references   Asker --> reply as a pickle
//
// CPython's client has a connection for each of its threads, and one for each request to the server
// itself. The threads of one process are one Session, if the process can be known, which it can on
// unix sockets: what it holds is given back when the process ends, and not when a thread closes a
// connection. Over TCP each connection is a Session.
//
// Threads: for the thread of the server's loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "manager/python/methods.hpp"
#include "manager/python/protocol.hpp"
#include "manager/served.hpp"
#include "os/fd.hpp"

namespace mp::manager::python {

// The processes that speak Python to a server, and what they hold.
class Tenants {
 public:
  explicit Tenants(Server& server) : server_{server} {}
  // Of a client on this machine. Nothing where the end of processes cannot be seen.
  [[nodiscard]] std::shared_ptr<Session> process(int pid);
  // Holds the references of clients on other machines: they say when they let go, or never.
  [[nodiscard]] const std::shared_ptr<Session>& strangers();
  void end() noexcept;

 private:
  struct Process {
    os::Fd pidfd;
    std::shared_ptr<Session> session;
  };
  Server& server_;
  std::unordered_map<int, Process> processes_;
  std::shared_ptr<Session> strangers_;
};

// One connection of a client.
class Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(Server& server, Tenants& tenants, Peer& peer);
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation();

  // Throws DecodeError when the message is no request.
  void on_message(ByteView message);
  void on_gone();

  [[nodiscard]] Server& server() const noexcept { return server_; }
  // As whom its calls are made.
  [[nodiscard]] Session& session() const noexcept { return *session_; }
  // Where the client finds the server.
  [[nodiscard]] const Value& address() const noexcept { return address_; }

  // Makes a call of ours; `object` is 0 for a creation. What it answers goes to `asker`.
  void call(Served* object, std::string_view name, std::span<const Item> args,
            std::unique_ptr<Asker> asker);
  // Makes one of the server's standard objects, which nobody holds yet.
  [[nodiscard]] ObjectPtr make(std::string_view type, std::span<const Item> args);
  // Answers the request that is being served.
  void finish(Outcome&& outcome, Shape shape) noexcept;
  void reply(const Value& value);
  void reply_object(const ObjectPtr& object);
  // The objects in these items are on their way: they live until the client asks for something
  // else, which it does when it has taken a reference to those that it wants.
  void lend(const Outcome& outcome);
  // The call that waits, if one does.
  void set_waiting(Call* call) noexcept { waiting_ = call; }

 private:
  enum class Phase : std::uint8_t { first, session, over };

  [[nodiscard]] CallPtr call_of(Served* object, std::string_view name, std::span<const Item> args,
                                std::unique_ptr<Asker> asker) const;
  void serve_itself(const Request& request);
  void serve_segments(const Request& request);
  void create(const Request& request);
  void serve_object(const Request& request);
  void fail(const std::exception_ptr& error) noexcept;
  void say(Bytes&& message);
  [[nodiscard]] Session& holder();
  [[nodiscard]] ObjectPtr named(const Request& request) const;

  Server& server_;
  Tenants& tenants_;
  Peer* peer_;
  std::shared_ptr<Session> session_;
  std::uint32_t thread_;
  bool knows_process_;
  Value address_;
  Phase phase_ = Phase::first;
  bool creating_ = false;  // the object that is answered is the result of create
  Call* waiting_ = nullptr;
  std::vector<ObjectPtr> lent_;
};

}  // namespace mp::manager::python
