// SPDX-License-Identifier: Apache-2.0
#include "mp/manager/manager.hpp"

#include <optional>
#include <stdexcept>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/codec/exception.hpp"
#include "mp/codec/types/optional.hpp"
#include "mp/connection/pipe.hpp"
#include "mp/errors/error.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/process/current.hpp"
#include "mp/process/process.hpp"

#include "connection/endpoints.hpp"
#include "connection/tls.hpp"
#include "manager/known_keys.hpp"
#include "manager/link.hpp"
#include "manager/server.hpp"
#include "os/endpoint.hpp"
#include "os/proc.hpp"
#include "os/signal.hpp"

namespace mp {

namespace {

constexpr int kBacklog = 1024;
constexpr std::chrono::seconds kGrace{1};

// What the process that serves is told.
struct ServerSpec {
  Registry registry = {};
  bool standard_types = false;
  Address address = {};
  std::string authkey = {};
  std::int64_t lease = 0;
  std::uint64_t max_frame = 0;
  bool accept_code = false;
  std::int64_t handshake_timeout = 0;
  std::optional<TlsOptions> tls = {};

  [[nodiscard]] manager::LinkSettings link_settings() const {
    return {.tls = tls, .lease = lease, .handshake_timeout = handshake_timeout};
  }
};

// What it says once it listens, or cannot.
struct Started {
  Address address = {};
  Bytes error = {};
};

// A server and the place where it listens.
struct Serving {
  explicit Serving(ServerSpec spec)
      : address{std::move(spec.address)}, server{[&]() -> manager::Server {
          const auto tls = spec.tls ? std::make_shared<connection::TlsContext>(
                                          connection::TlsRole::server, *spec.tls)
                                    : nullptr;
          const bool unnamed = address.kind() == Address::Kind::none;
          if (unnamed) {
            address = connection::random_address("mp-manager-");
          }
          os::Fd listener = connection::listen_on(address, kBacklog);
          if (address.kind() == Address::Kind::tcp) {
            address =
                tcp(address.host(), connection::address_of(os::own_address(listener.get())).port());
          }
          return manager::Server{
              std::move(listener), address,
              manager::LoopOptions{
                  .authkey = spec.authkey,
                  .same_user = unnamed,
                  .accept_code = spec.accept_code,
                  .is_tcp = address.kind() == Address::Kind::tcp,
                  .handshake_timeout = std::chrono::nanoseconds{spec.handshake_timeout},
                  .lease = std::chrono::seconds{spec.lease},
                  .max_frame = spec.max_frame,
                  .tls = tls},
              std::move(spec.registry), spec.standard_types};
        }()} {}
  ~Serving() {
    if (address.kind() == Address::Kind::unix_socket) {
      os::remove_path(address.path());
    }
  }
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  Address address;
  manager::Server server;
};

// The server's process.
void serve(ServerSpec spec, const Connection& report) {
  os::ignore_signal(os::kSigInt);  // its end is the parent's business
  const std::string authkey = spec.authkey;
  const manager::LinkSettings settings = spec.link_settings();
  std::optional<Serving> serving;
  try {
    serving.emplace(std::move(spec));
  } catch (...) {
    const ExceptionOrigin origin{.process_name = current_process().name(), .pid = os::pid()};
    report.send(Started{{}, encode_exception(std::current_exception(), origin)});
    return;
  }
  manager::remember_key(serving->address, authkey);  // for what it starts
  manager::remember_settings(serving->address, manager::to_text(settings));
  report.send(Started{serving->address, {}});
  report.close();
  serving->server.run();
}

bool is_loopback(const Address& address) {
  const std::string& host = address.host();
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

struct BaseManager::State {
  enum class Phase : std::uint8_t { initial, started, connected, ended };

  [[nodiscard]] ServerSpec spec() const {
    if (options.address.kind() == Address::Kind::tcp && !options.authkey &&
        !is_loopback(options.address)) {
      throw UsageError{"a manager that listens on the network needs a key of its own (authkey)"};
    }
    return {.registry = registry,
            .standard_types = standard_types,
            .address = options.address,
            .authkey = authkey,
            .lease = options.lease.count(),
            .max_frame = options.max_frame,
            .accept_code = options.accept_code,
            .handshake_timeout = options.handshake_timeout.count(),
            .tls = options.tls};
  }
  void expect_initial() const {
    if (phase != Phase::initial) {
      throw UsageError{phase == Phase::ended ? "this manager has been shut down"
                                             : "this manager has started or connected already"};
    }
  }
  void expect_usable() const {
    if (phase == Phase::initial) {
      throw UsageError{"call start() or connect() before a manager is used"};
    }
    if (phase == Phase::ended) {
      throw ClosedError{"this manager has been shut down"};
    }
  }
  [[nodiscard]] std::shared_ptr<detail::Link> link() const {
    expect_usable();
    return detail::Link::to(address, authkey, settings);
  }
  void enter(Phase next, Address where) {
    address = std::move(where);
    text = address.to_string();
    manager::remember_key(address, authkey);
    manager::remember_settings(address, settings);
    phase = next;
  }
  void shutdown() {
    if (phase != Phase::started) {
      return;
    }
    phase = Phase::ended;
    try {
      detail::Link::to(address, authkey, settings)->tell_shutdown();
    } catch (const std::exception&) {
      // It does not answer, or is gone.
    }
    if (!process->join(Deadline{options.shutdown_timeout})) {
      process->terminate();
      if (!process->join(Deadline{kGrace})) {
        process->kill();
        process->join();
      }
    }
    detail::Link::forget(address);
    if (address.kind() == Address::Kind::unix_socket) {
      os::remove_path(address.path());  // in case it was killed
    }
  }

  ManagerOptions options;
  bool standard_types = false;
  std::string authkey;
  std::string settings = {};  // of links, as text
  Registry registry = {};
  Phase phase = Phase::initial;
  Address address = {};
  std::string text = {};
  std::optional<Process> process = {};
  std::uint32_t generation = detail::fork_generation;
};

BaseManager::BaseManager(ManagerOptions options) : state_{std::make_unique<State>()} {
  state_->authkey = options.authkey ? *options.authkey : current_process().authkey();
  state_->address = options.address;
  state_->text = options.address.to_string();
  state_->settings = manager::to_text({.tls = options.tls,
                                       .lease = options.lease.count(),
                                       .handshake_timeout = options.handshake_timeout.count()});
  state_->options = std::move(options);
}

BaseManager::BaseManager(ManagerOptions options, StandardTypes) : BaseManager{std::move(options)} {
  state_->standard_types = true;
}

BaseManager::BaseManager(BaseManager&&) noexcept = default;

BaseManager::~BaseManager() {
  if (!state_) {
    return;
  }
  if (state_->generation != detail::fork_generation) {
    (void)state_.release();  // the parent's
    return;
  }
  try {
    state_->shutdown();
  } catch (const std::exception&) {
    // Its process ends with ours.
  }
  if (state_->phase == State::Phase::connected) {
    detail::Link::forget(state_->address);
  }
}

Registry& BaseManager::registry() {
  state_->expect_initial();
  return state_->registry;
}

void BaseManager::add_type(detail::ServedType type) {
  registry().add(std::move(type));
}

void BaseManager::start() {
  state_->expect_initial();
  auto [mine, theirs] = Pipe(simplex);
  state_->process.emplace(
      ProcessOptions{.name = {}, .daemon = true, .start = state_->options.start}, &serve,
      state_->spec(), theirs);
  state_->process->start();
  theirs.close();
  Started started;
  try {
    started = mine.recv<Started>();
  } catch (const EOFError&) {
    state_->process->join();
    throw StartError{"the manager's server ended before it listened, with exit code " +
                     std::to_string(state_->process->exitcode().value_or(255))};
  }
  if (!started.error.empty()) {
    state_->process->join();
    state_->process.reset();
    rethrow_exception(started.error);
  }
  state_->enter(State::Phase::started, std::move(started.address));
}

void BaseManager::connect() {
  state_->expect_initial();
  MP_EXPECTS(state_->options.address.kind() != Address::Kind::none,
             "connect() needs the address of a manager that serves");
  (void)detail::Link::to(state_->options.address, state_->authkey, state_->settings)
      ->request(layout::Op::ping, {});
  state_->enter(State::Phase::connected, state_->options.address);
}

void BaseManager::shutdown() {
  if (state_->phase != State::Phase::started && state_->phase != State::Phase::ended) {
    throw UsageError{"only the manager that has started a server shuts it down"};
  }
  state_->shutdown();
}

void BaseManager::join() const {
  (void)join(Deadline::never());
}

bool BaseManager::join(Deadline until) const {
  MP_EXPECTS(state_->process.has_value(), "this manager has started no server");
  return state_->process->join(until);
}

const Address& BaseManager::address() const noexcept {
  return state_->address;
}

std::string_view BaseManager::address_text() const {
  return state_->text;
}

RawProxy BaseManager::create_raw(std::string_view type, const detail::Arguments& args) const {
  Writer head;
  layout::write_text(head, type);
  head.write_raw(args.count());
  return state_->link()->request(layout::Op::create, head.written(), args.bytes()).object();
}

std::uint64_t BaseManager::number_of_objects() const {
  return state_->link()->request(layout::Op::count, {}).get<std::uint64_t>();
}

struct ManagerServer::State {
  explicit State(ServerSpec spec) : serving{std::move(spec)} {}
  Serving serving;
};

ManagerServer BaseManager::get_server() {
  state_->expect_initial();
  auto state = std::make_unique<ManagerServer::State>(state_->spec());
  state_->enter(State::Phase::connected, state->serving.address);
  return ManagerServer{std::move(state)};
}

ManagerServer::ManagerServer(std::unique_ptr<State> state) noexcept : state_{std::move(state)} {}
ManagerServer::ManagerServer(ManagerServer&&) noexcept = default;
ManagerServer::~ManagerServer() = default;

void ManagerServer::serve_forever() {
  state_->serving.server.run();
}

void ManagerServer::stop() {
  state_->serving.server.stop();
}

const Address& ManagerServer::address() const noexcept {
  return state_->serving.address;
}

SyncManager::SyncManager(ManagerOptions options)
    : BaseManager{std::move(options), StandardTypes{}} {}
SyncManager::~SyncManager() = default;

Manager::Manager() {
  start();
}
Manager::Manager(ManagerOptions options) : SyncManager{std::move(options)} {}
Manager::~Manager() = default;

namespace detail {

std::int64_t to_wire(Deadline until) noexcept {
  return until.is_never() ? -1 : until.remaining().count();
}

bool LockLikeProxy::acquire(Deadline until) const {
  return raw_.call<bool>("acquire", to_wire(until));
}

void LockLikeProxy::release() const {
  raw_.call("release");
}

bool LockLikeProxy::recover() const {
  return raw_.call<bool>("recover");
}

LockLikeProxy::LockLikeProxy(RawProxy raw, std::string_view type) : raw_{std::move(raw)} {
  expect_object(raw_, type, {});
}

SemaphoreLikeProxy::SemaphoreLikeProxy(RawProxy raw, std::string_view type) : raw_{std::move(raw)} {
  expect_object(raw_, type, {});
}

void throw_not_in_set() {
  throw std::out_of_range("the value is not in the set");
}

}  // namespace detail

}  // namespace mp
