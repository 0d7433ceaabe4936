// SPDX-License-Identifier: Apache-2.0
// Design
//
// accept() runs handshakes side by side and returns the first that is done, so a peer that is slow
// or silent holds up nobody for longer than kGrace. It takes no more peers from the kernel than it
// needs: the next one when those before are done or have had their grace. For those that it has
// taken no other process can serve, and they have to wait for the next call if another is done
// before them. There are at most kMostPending of them; more stay in the kernel's backlog until one
// is done or its time is over.
#include "mp/connection/listener.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <list>
#include <mutex>
#include <openssl/rand.h>
#include <utility>
#include <vector>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"
#include "mp/log.hpp"
#include "mp/memory/object_ref.hpp"

#include "connection/endpoints.hpp"
#include "connection/handshake_link.hpp"
#include "connection/socket_channel.hpp"
#include "memory/fork_mutex.hpp"
#include "os/endpoint.hpp"
#include "os/fd.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"

namespace mp {

namespace {

constexpr std::size_t kMostPending = 256;
constexpr std::chrono::milliseconds kGrace{20};

// Taken to repair what a fork copied.
[[gnu::section("mp_at_fork")]] memory::ForkMutex adoption{24};

// A peer that has connected and not proved the key yet.
struct Pending {
  os::Fd socket;
  Address address;
  connection::HandshakeLink link;
  Deadline until;
};

void log_dropped(const Address& peer, std::string_view why) {
  Logger& logger = get_logger();
  if (logger.is_enabled_for(LogLevel::info)) {
    logger.info("a listener dropped " +
                (peer.kind() == Address::Kind::none ? "a peer" : peer.to_string()) + ": " +
                std::string{why});
  }
}

}  // namespace

namespace connection {

Address random_address(std::string_view prefix) {
  std::array<unsigned char, 16> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    throw Error{make_error_code(std::errc::io_error), "no random bytes for a name can be had"};
  }
  std::string name{prefix};
  for (const unsigned byte : random) {
    name += "0123456789abcdef"[byte / 16];
    name += "0123456789abcdef"[byte % 16];
  }
  return abstract_socket(name);
}

os::Fd listen_on(const Address& address, int backlog) {
  const std::vector<os::SocketAddress> endpoints = endpoints_of(address);
  for (std::size_t i = 0;; ++i) {
    try {
      return os::listen_at(endpoints.at(i), backlog);
    } catch (const OsError&) {
      if (i + 1 == endpoints.size()) {
        throw;
      }
    }
  }
}

}  // namespace connection

struct Listener::State {
  State(Address wanted, ListenerOptions given)
      : options{std::move(given)},
        socket{connection::listen_on(wanted, options.backlog)},
        fd{socket.get()},
        wake{os::eventfd()},
        address{std::move(wanted)},
        maker{detail::fork_generation} {
    if (address.kind() == Address::Kind::tcp) {
      address = connection::address_of(os::own_address(socket.get()));
    }
  }
  ~State() { remove_path(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::optional<Connection> accept(Deadline until);
  void close() noexcept;

  ListenerOptions options;
  os::Fd socket;  // let go of with the turn
  const int fd;   // the same, for those who have no turn
  os::Fd wake;    // readable once closed
  Address address;
  std::uint32_t maker;
  std::atomic<bool> closed{false};

  std::atomic<std::uint32_t> generation{maker};
  // In an optional, so that a forked child can make a new one: a thread that it does not have may
  // have held it.
  std::optional<std::timed_mutex> turn{std::in_place};
  // With the turn:
  std::list<Pending> pending;
  Deadline next = Deadline::now();  // when to take one more, although others are under way
  mutable std::mutex mutex;         // guards `last`
  std::optional<Address> last;

 private:
  void enter();
  void expect_open() const;
  std::optional<Connection> take_new();
  std::optional<Connection> advance_pending();
  void wait(Deadline until);
  [[nodiscard]] bool may_take() const noexcept;
  Connection finish(os::Fd peer, const Address& from);
  [[nodiscard]] bool is_welcome(int peer, const Address& from) const;
  void remove_path() noexcept;
};

void Listener::State::expect_open() const {
  if (closed.load()) {
    throw ClosedError{"this listener is closed"};
  }
}

bool Listener::State::is_welcome(int peer, const Address& from) const {
  if (options.same_user && address.kind() != Address::Kind::tcp &&
      os::peer_credentials(peer).user != os::own_credentials().user) {
    log_dropped(from, "it runs as another user");
    return false;
  }
  return true;
}

Connection Listener::State::finish(os::Fd peer, const Address& from) {
  Connection made{std::make_shared<connection::SocketChannel>(std::move(peer), options.max_frame),
                  options.codec};
  const std::lock_guard hold{mutex};
  last = from;
  return made;
}

bool Listener::State::may_take() const noexcept {
  return pending.empty() || (pending.size() < kMostPending && next.passed());
}

// Takes one who has connected. Returns a connection if no key is asked for.
std::optional<Connection> Listener::State::take_new() {
  while (may_take()) {
    os::SocketAddress endpoint;
    os::Fd peer = os::accept_one(socket.get(), endpoint);
    if (!peer) {
      break;
    }
    const Address from = connection::address_of(endpoint);
    if (!is_welcome(peer.get(), from)) {
      continue;
    }
    if (!options.authkey) {
      return finish(std::move(peer), from);
    }
    os::set_no_delay(peer.get());
    using connection::Handshake;
    pending.push_back({std::move(peer), from,
                       connection::HandshakeLink{
                           Handshake{Handshake::Role::server, *options.authkey, options.allow_md5}},
                       Deadline{options.handshake_timeout}});
    next = Deadline{kGrace};
  }
  return std::nullopt;
}

// Returns a peer that has proved the key. Throws for one that has another.
std::optional<Connection> Listener::State::advance_pending() {
  using LinkState = connection::HandshakeLink::State;
  for (auto each = pending.begin(); each != pending.end();) {
    LinkState state = LinkState::gone;
    try {
      state = each->link.step(each->socket.get());
    } catch (const OsError& error) {
      log_dropped(each->address, error.what());
      each = pending.erase(each);
      continue;
    }
    if (state == LinkState::going_on && !each->until.passed()) {
      ++each;
      continue;
    }
    Pending settled = std::move(*each);
    each = pending.erase(each);
    switch (state) {
      case LinkState::done:
        return finish(std::move(settled.socket), settled.address);
      case LinkState::refused:
        throw AuthenticationError{settled.link.reason()};
      case LinkState::garbage:
        log_dropped(settled.address, settled.link.reason());
        break;
      case LinkState::gone:
        log_dropped(settled.address, "it closed the connection before it had proved the key");
        break;
      case LinkState::going_on:
        log_dropped(settled.address, "it did not prove the key in time");
        break;
    }
  }
  return std::nullopt;
}

void Listener::State::wait(Deadline until) {
  std::vector<os::PollEntry> entries{{wake.get(), os::kReadable}};
  if (may_take()) {
    entries.push_back({socket.get(), os::kReadable});
  } else if (pending.size() < kMostPending) {
    until = std::min(until, next);
  }
  for (const Pending& each : pending) {
    entries.push_back(
        {each.socket.get(), each.link.wants_to_write() ? os::kWritable : os::kReadable});
    until = std::min(until, each.until);
  }
  os::poll(entries, until);
}

// The first use in a forked child: what is under way, and those who wait, are the parent's.
void Listener::State::enter() {
  if (generation.load(std::memory_order_acquire) == detail::fork_generation) [[likely]] {
    return;
  }
  const std::lock_guard hold{adoption};
  if (generation.load(std::memory_order_relaxed) != detail::fork_generation) {
    turn.emplace();
    pending.clear();
    wake = os::eventfd();
    generation.store(detail::fork_generation, std::memory_order_release);
  }
}

std::optional<Connection> Listener::State::accept(Deadline until) {
  enter();
  expect_open();
  std::unique_lock hold{*turn, std::defer_lock};
  if (until.is_never()) {
    hold.lock();
  } else if (!hold.try_lock() &&
             (until.passed() || !hold.try_lock_until(Deadline::Clock::time_point{
                                    std::chrono::nanoseconds{until.nanoseconds()}}))) {
    return std::nullopt;
  }
  for (;;) {
    expect_open();
    if (auto made = advance_pending()) {
      return made;
    }
    if (auto made = take_new()) {
      return made;
    }
    if (auto made = advance_pending()) {
      return made;
    }
    if (until.passed()) {
      return std::nullopt;
    }
    wait(until);
  }
}

void Listener::State::remove_path() noexcept {
  if (address.kind() == Address::Kind::unix_socket && maker == detail::fork_generation &&
      !closed.exchange(true)) {
    os::remove_path(address.path());
  }
}

void Listener::State::close() noexcept {
  remove_path();
  closed.store(true);
  if (generation.load() == detail::fork_generation) {
    os::eventfd_signal(wake.get());
    const std::lock_guard hold{*turn};
    pending.clear();
    socket.reset();
    return;
  }
  pending.clear();  // a child that never accepted
  socket.reset();
}

Listener::Listener(Address address, ListenerOptions options) {
  if (address.kind() == Address::Kind::none) {
    address = connection::random_address("mp-listener-");
    options.same_user = true;
  }
  state_ = std::make_shared<State>(std::move(address), std::move(options));
}

Connection Listener::accept(Deadline until) const {
  if (auto made = state_->accept(until)) {
    return *std::move(made);
  }
  throw TimeoutError{"nobody has connected and proved the key in time"};
}

std::optional<Connection> Listener::try_accept_for(Deadline until) const {
  return state_->accept(until);
}

const Address& Listener::address() const {
  return state_->address;
}

std::optional<Address> Listener::last_accepted() const {
  const std::lock_guard hold{state_->mutex};
  return state_->last;
}

int Listener::fileno() const noexcept {
  return closed() ? -1 : state_->fd;
}

void Listener::close() const noexcept {
  state_->close();
}

bool Listener::closed() const noexcept {
  return state_->closed.load();
}

}  // namespace mp
