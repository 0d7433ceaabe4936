// SPDX-License-Identifier: Apache-2.0
// manager/server.hpp — the process that holds the objects.
//
//   clients ==frames==> EventLoop --> Session --> Call --> Served object --> reply
//                                                            | (classes of users)
//                                                            +--> WorkerPool --> post() --> reply
//
// Threads: run() in one thread; everything else only from within.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "mp/codec/exception.hpp"
#include "mp/connection/address.hpp"
#include "mp/manager/registry.hpp"

#include "manager/event_loop.hpp"
#include "manager/python/conversation.hpp"
#include "manager/served.hpp"
#include "manager/worker_pool.hpp"

namespace mp::manager {

class Server final : public LoopHandler {
 public:
  // Listens at `address` with `listener`.
  Server(os::Fd listener, Address address, LoopOptions options, Registry registry,
         bool standard_types);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves until a client asks for the end, or stop().
  void run();
  void stop() { loop_.stop(); }

  [[nodiscard]] EventLoop& loop() noexcept { return loop_; }
  [[nodiscard]] WorkerPool& workers() noexcept { return workers_; }
  [[nodiscard]] const ExceptionOrigin& origin() const noexcept { return origin_; }
  [[nodiscard]] const Address& address() const noexcept { return address_; }
  [[nodiscard]] bool has_standard_types() const noexcept { return standard_types_; }
  [[nodiscard]] bool is_registered(const std::string& name) const noexcept {
    return shared_.contains(name) || registry_.find(name) != nullptr;
  }
  [[nodiscard]] const auto& objects() const noexcept { return objects_; }
  // The object that is registered under a name, or nothing.
  [[nodiscard]] ObjectPtr find_shared(const std::string& name) const {
    const auto found = shared_.find(name);
    return found == shared_.end() ? nullptr : found->second;
  }
  [[nodiscard]] const Registry& registry() const noexcept { return registry_; }

  // Which served object an object of a class of the user's is, by its address.
  std::uint64_t& served_at(const void* object, const mp::detail::ServedType* type) {
    return served_at_[{object, type}];
  }
  void not_served_at(const void* object, const mp::detail::ServedType* type) noexcept {
    served_at_.erase({object, type});
  }
  [[nodiscard]] ObjectPtr find_served(const void* object,
                                      const mp::detail::ServedType* type) const {
    const auto known = served_at_.find({object, type});
    return known == served_at_.end() ? nullptr : find(known->second);
  }

  // The object with that id. Throws RemoteError when there is none.
  [[nodiscard]] ObjectPtr find(std::uint64_t id) const;
  // The object whose id has these hexadecimal digits, or nothing.
  [[nodiscard]] ObjectPtr find_by_name(std::string_view id) const;
  // For objects, from their constructors and destructors.
  std::uint64_t number(Served& object);
  void forget(std::uint64_t id) noexcept;
  void enter(const ObjectPtr& object);

  // Has the call answered. A call that is kept is taken.
  void dispatch(CallPtr& call);
  // A number for a thread of a client that gives it none.
  [[nodiscard]] std::uint32_t next_thread() noexcept { return ++last_thread_; }

  void on_frame(Peer& peer, ByteView frame) override;
  void on_gone(Peer& peer) override;

 private:
  void greet(Peer& peer, ByteView frame);
  void create(CallPtr& call);
  [[nodiscard]] ObjectPtr make_named(const mp::detail::ServedType& type);
  void lend(std::uint64_t id);

  Registry registry_;
  Address address_;
  bool standard_types_;
  ExceptionOrigin origin_;
  std::unordered_map<std::uint64_t, std::weak_ptr<Served>> objects_;
  std::map<std::pair<const void*, const mp::detail::ServedType*>, std::uint64_t> served_at_;
  std::unordered_map<std::string, ObjectPtr> shared_;  // registered objects, as long as we serve
  std::uint64_t last_id_ = 0;
  std::uint32_t last_thread_ = 0;
  python::Tenants tenants_{*this};
  WorkerPool workers_;
  EventLoop loop_;  // what it still holds is let go of before the rest
};

// Makes an object of a standard type: `type` with the arguments of `call` behind the tags. Returns
// nothing when there is no such type.
[[nodiscard]] ObjectPtr make_standard(Server& server, Call& call);
// Families of make_standard.
[[nodiscard]] ObjectPtr make_container(Server& server, Call& call, Tags tags);
[[nodiscard]] ObjectPtr make_value(Server& server, Call& call, Tags tags);
[[nodiscard]] ObjectPtr make_sync(Server& server, Call& call, Tags tags);
[[nodiscard]] ObjectPtr make_queue(Server& server, Call& call, Tags tags);

// The names of shared memory that end with the server. Not for clients to make.
inline constexpr std::string_view kSegments = "segments";
[[nodiscard]] ObjectPtr make_segments(Server& server);

// A queue of the tree's shared memory, served to those who cannot reach it.
[[nodiscard]] ObjectPtr serve_queue(Server& server, const RawQueue& queue, Tags tags);

// Makes an object of a registered class, on a thread of the pool, and answers.
void make_registered(Server& server, const mp::detail::ServedType& type, CallPtr& call);

}  // namespace mp::manager
