// SPDX-License-Identifier: Apache-2.0
// mp/manager/manager.hpp — a process that holds objects for others, and the way to it.
//
//     mp::Manager manager;                                  // has started its server
//     auto scores = manager.dict<std::string, int>();       // lives there
//     mp::Process child{play, scores};                      // goes there by itself
//
//     mp::BaseManager board{{.address = mp::tcp("", 5000), .authkey = "secret"}};
//     board.register_shared("jobs", mp::Queue<Job>{});
//     board.start();                                        // or get_server().serve_forever()
//     ...
//     mp::BaseManager board{{.address = mp::tcp("host", 5000), .authkey = "secret"}};
//     board.connect();                                      // on another machine
//     auto jobs = board.get<mp::QueueProxy<Job>>("jobs");
//
// The server answers whoever proves that it has the key, and nobody else. It makes what is
// registered and calls what is exposed; bytes never choose the code.
//
// Threads:   one thread at a time may change a manager (register_..., start, connect, shutdown).
// Processes: the server is a child of the process that calls start(); it ends when its parent does.
// Fork:      a child must not use its parent's manager, but may use proxies and connect().
// Crash:     see the proxies. When the server is killed, calls throw EOFError.
// Owns:      the server's process. The destructor shuts it down.
// Blocks:    start, connect, create, get and shutdown, for the server.
// Throws:    UsageError for the wrong order of calls, and for listening on the network without a
//            key of one's own. StartError when the server ended before it listened; OsError:
//            address in use, no such host, connection refused. AuthenticationError.
// Python:    multiprocessing.managers.BaseManager, SyncManager, multiprocessing.Manager.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/connection/address.hpp"
#include "mp/connection/listener.hpp"
#include "mp/connection/tls_options.hpp"
#include "mp/manager/containers.hpp"
#include "mp/manager/pool_proxy.hpp"
#include "mp/manager/queue_proxy.hpp"
#include "mp/manager/raw_proxy.hpp"
#include "mp/manager/registry.hpp"
#include "mp/manager/served_as.hpp"
#include "mp/manager/sync_proxies.hpp"
#include "mp/manager/value_proxy.hpp"
#include "mp/process/start_method.hpp"
#include "mp/queue/queue.hpp"

namespace mp {

struct ManagerOptions {
  // Where to listen, or whom to connect to. None: a unix socket with a random name, in the abstract
  // space, which only processes of the same user may use.
  Address address = {};
  // The key; by default that of the tree.
  std::optional<std::string> authkey = {};
  // How long shutdown() waits for the server before it is terminated, and then killed.
  std::chrono::nanoseconds shutdown_timeout = std::chrono::seconds{1};
  // How the server's process starts.
  std::optional<StartMethod> start = {};
  // How long a machine may be silent before those on it count as gone: for the server its clients,
  // for a client the server.
  std::chrono::seconds lease{10};
  // How long a client may take to connect, and then to prove that it has the keys.
  std::chrono::nanoseconds handshake_timeout = std::chrono::seconds{20};
  // TLS 1.3 around all of it. A server that has this serves nobody without, and a client speaks to
  // no server without; neither is ever sent to a peer that did not ask for it. CPython knows none.
  std::optional<TlsOptions> tls = {};
  // The longest message.
  std::uint64_t max_frame = kDefaultMaxFrame;
  // Whether pools of the server run what processes of other users or machines send to them, if
  // these have the key and run the same build. Who may do that may do anything that this program
  // could. Otherwise they may call what is registered (register_function).
  bool accept_code = false;
};

// A server in this process.
class MP_API ManagerServer {
 public:
  // Serves until somebody calls shutdown() on a manager, or stop(). Once.
  void serve_forever();
  // Ends serve_forever(), from any thread.
  void stop();
  [[nodiscard]] const Address& address() const noexcept;

  ManagerServer(ManagerServer&&) noexcept;
  ManagerServer& operator=(ManagerServer&&) = delete;
  ~ManagerServer();

 private:
  friend class BaseManager;
  struct State;
  explicit ManagerServer(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

class MP_API BaseManager {
 public:
  explicit BaseManager(ManagerOptions options = {});
  BaseManager(BaseManager&&) noexcept;
  BaseManager& operator=(BaseManager&&) = delete;
  virtual ~BaseManager();

  // Registers a class, whose objects are made from `Args...`. Expects, all three: not started yet.
  template <class T, class... Args>
  TypeRegistration<T> register_type(std::string name) {
    detail::ServedType type;
    type.name = std::move(name);
    type.make = &detail::MakeByConstructor<T, Args...>::run;
    type.class_id = detail::class_id<T>();
    return TypeRegistration<T>{registry().add(std::move(type))};
  }
  // Registers a class whose objects only methods of others return.
  template <class T>
  TypeRegistration<T> register_class(std::string name) {
    detail::ServedType type;
    type.name = std::move(name);
    type.class_id = detail::class_id<T>();
    return TypeRegistration<T>{registry().add(std::move(type))};
  }
  // Registers a function without captures that makes the objects: it returns a T.
  template <class F>
  auto register_callable(std::string name, F) {
    static_assert(std::is_empty_v<F>, "the factory has no captures: the server is another process");
    using Make = detail::MakeByCallable<F>;
    detail::ServedType type;
    type.name = std::move(name);
    type.make = &Make::run;
    return TypeRegistration<typename Make::Object>{registry().add(std::move(type))};
  }
  // Serves a queue of this tree's shared memory to those who do not share it, as a QueueProxy<T>.
  template <class T>
  void register_shared(std::string name, const Queue<T>& queue) {
    detail::ServedType type;
    type.name = std::move(name);
    type.kind = detail::ServedType::Kind::queue;
    type.queue.push_back(queue.raw());
    type.tags.push_back(detail::item_tag<T>());
    registry().add(std::move(type));
  }

  // Registers a function, or a lambda without captures, that clients may have a pool of the server
  // call by its name (PoolProxy::apply_named, or CPython's pool.map).
  template <class F>
  void register_function(std::string name, F function) {
    detail::ServedType type;
    type.name = std::move(name);
    type.kind = detail::ServedType::Kind::function;
    type.methods.push_back(detail::named_function(function));
    registry().add(std::move(type));
  }
  // Has the server make an object of a standard type, which clients get by its name, as a P:
  //     board.register_object<mp::JoinableQueueProxy<Job>>("jobs");
  template <class P>
  void register_object(std::string name) {
    detail::ServedType type;
    type.name = std::move(name);
    type.kind = detail::ServedType::Kind::standard;
    type.standard = detail::ServedAs<P>::kType;
    type.tags = detail::ServedAs<P>::tags();
    registry().add(std::move(type));
  }

  // Starts a process that serves. Throws UsageError the second time.
  void start();
  // Makes sure that a server is there and has the key.
  void connect();
  // Returns a server that serves in this process.
  [[nodiscard]] ManagerServer get_server();
  // Ends the server that start() has started. May be repeated.
  void shutdown();
  // Waits until the server that start() has started has ended.
  void join() const;
  bool join(Deadline until) const;
  // Where it listens, with the port that was chosen.
  [[nodiscard]] const Address& address() const noexcept;

  // Makes an object of a registered type.
  template <class... Args>
  [[nodiscard]] Proxy create(std::string_view type, const Args&... args) const {
    return Proxy{create_raw(type, encode(args...))};
  }
  // The object, or a new object, that is registered as `name`.
  template <class P, class... Args>
  [[nodiscard]] P get(std::string_view name, const Args&... args) const {
    return P{create_raw(name, encode(args...))};
  }
  // How many objects the server has.
  [[nodiscard]] std::uint64_t number_of_objects() const;

 protected:
  struct StandardTypes {};
  void add_type(detail::ServedType type);
  BaseManager(ManagerOptions options, StandardTypes);
  template <class... Args>
  [[nodiscard]] detail::Arguments encode(const Args&... args) const {
    return detail::Arguments{address_text(), args...};
  }
  [[nodiscard]] RawProxy create_raw(std::string_view type, const detail::Arguments& args) const;
  [[nodiscard]] std::string_view address_text() const;

 private:
  struct State;
  [[nodiscard]] Registry& registry();
  std::unique_ptr<State> state_;
};

// A manager of the types that are named below.
class MP_API SyncManager : public BaseManager {
 public:
  explicit SyncManager(ManagerOptions options = {});
  ~SyncManager() override;

  template <class K, class V>
  [[nodiscard]] DictProxy<K, V> dict() const {
    return standard<DictProxy<K, V>>("dict", tags<K, V>());
  }
  template <class K, class V, class Range>
  [[nodiscard]] DictProxy<K, V> dict(const Range& entries) const {
    DictProxy<K, V> made = dict<K, V>();
    made.update(entries);
    return made;
  }
  template <class K, class V>
  [[nodiscard]] DictProxy<K, V> dict(std::initializer_list<std::pair<K, V>> entries) const {
    DictProxy<K, V> made = dict<K, V>();
    made.update(entries);
    return made;
  }
  template <class T, class Range = std::initializer_list<T>>
  [[nodiscard]] ListProxy<T> list(const Range& values = {}) const {
    return filled<ListProxy<T>, T>("list", values);
  }
  template <class T, class Range = std::initializer_list<T>>
  [[nodiscard]] SetProxy<T> set(const Range& values = {}) const {
    return filled<SetProxy<T>, T>("set", values);
  }
  template <class T, class Range = std::initializer_list<T>>
  [[nodiscard]] ArrayProxy<T> Array(const Range& values = {}) const {
    return filled<ArrayProxy<T>, T>("Array", values);
  }
  template <class T>
  [[nodiscard]] ValueProxy<T> Value(const T& value = T{}) const {
    return standard<ValueProxy<T>>("Value", tags<T>(), value);
  }
  [[nodiscard]] NamespaceProxy Namespace() const {
    return standard<NamespaceProxy>("Namespace", tags<>());
  }
  template <class T>
  [[nodiscard]] QueueProxy<T> Queue(std::uint64_t maxsize = 0) const {
    return standard<QueueProxy<T>>("Queue", tags<T>(), maxsize);
  }
  template <class T>
  [[nodiscard]] JoinableQueueProxy<T> JoinableQueue(std::uint64_t maxsize = 0) const {
    return standard<JoinableQueueProxy<T>>("JoinableQueue", tags<T>(), maxsize);
  }
  [[nodiscard]] EventProxy Event() const { return standard<EventProxy>("Event", tags<>()); }
  [[nodiscard]] LockProxy Lock() const { return standard<LockProxy>("Lock", tags<>()); }
  [[nodiscard]] RLockProxy RLock() const { return standard<RLockProxy>("RLock", tags<>()); }
  [[nodiscard]] SemaphoreProxy Semaphore(std::uint64_t value = 1) const {
    return standard<SemaphoreProxy>("Semaphore", tags<>(), value);
  }
  [[nodiscard]] BoundedSemaphoreProxy BoundedSemaphore(std::uint64_t value = 1) const {
    return standard<BoundedSemaphoreProxy>("BoundedSemaphore", tags<>(), value);
  }
  // Of a lock of its own, an RLock, or of one that is given.
  [[nodiscard]] ConditionProxy Condition() const {
    return standard<ConditionProxy>("Condition", tags<>());
  }
  template <class L>
  [[nodiscard]] ConditionProxy Condition(const L& lock) const {
    return standard<ConditionProxy>("Condition", tags<>(), lock);
  }
  [[nodiscard]] BarrierProxy Barrier(std::uint64_t parties) const {
    return standard<BarrierProxy>("Barrier", tags<>(), parties);
  }
  [[nodiscard]] PoolProxy Pool(const PoolProxyOptions& options = {}) const {
    return standard<PoolProxy>("Pool", tags<>(), std::int64_t{options.processes},
                               std::int64_t{options.maxtasksperchild});
  }
  [[nodiscard]] PoolProxy Pool(int processes) const {
    return Pool(PoolProxyOptions{.processes = processes});
  }

 private:
  template <class... T>
  static std::vector<std::uint64_t> tags() {
    return {detail::item_tag<T>()...};
  }
  template <class P, class... Args>
  P standard(std::string_view type, const std::vector<std::uint64_t>& types,
             const Args&... args) const {
    return P{create_raw(type, encode(types, args...))};
  }
  template <class P, class T, class Range>
  P filled(std::string_view type, const Range& values) const {
    detail::Arguments args = encode(tags<T>());
    for (const T& value : values) {
      args.add(value);
    }
    return P{create_raw(type, args)};
  }
};

// A SyncManager that serves from the start, unless it is given options: then start() serves, and
// connect() joins one that does.
class MP_API Manager : public SyncManager {
 public:
  Manager();
  explicit Manager(ManagerOptions options);
  ~Manager() override;
};

}  // namespace mp
