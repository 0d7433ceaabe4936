// SPDX-License-Identifier: Apache-2.0
// mp/connection/listener.hpp — a place where other programs connect.
//
//     mp::Listener listener{mp::tcp("127.0.0.1", 0), {.authkey = "secret"}};
//     ... mp::Client(listener.address(), {.authkey = "secret"}) in another program ...
//     mp::Connection connection = listener.accept();
//
// With a key both sides must prove that they have it before accept() and Client() return. The proof
// covers the beginning only: what follows is neither encrypted nor signed.
//
// A peer that begins and never ends, says nothing, or speaks something else is dropped, at the
// latest after handshake_timeout; meanwhile others are served. Dropping is logged (LogLevel::info).
// What accept() has begun with a slow peer when it returns another, the next accept() goes on with.
//
// Threads:   any number may accept; they take turns. close() may be called meanwhile.
// Processes: a handle: copies are the same listener. It cannot be sent.
// Fork:      a child may accept too; the path of a unix socket is removed by who made it.
// Crash:     a killed process leaves nothing but the path of a unix socket.
// Owns:      the socket and its path, until close() or until the last handle is gone.
// Blocks:    accept, until somebody has connected and proved the key.
// Throws:    AuthenticationError from accept when a peer had another key. OsError: the address
//            cannot be had; accept: too many open files (EMFILE). ClosedError after close(). After
//            each but the last the Listener goes on.
// Python:    multiprocessing.connection.Listener, with which it interoperates, 3.6 to 3.14. There a
//            silent peer holds up accept() for ever, and anything but a handshake is an exception.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/connection/address.hpp"
#include "mp/connection/connection.hpp"

namespace mp {

// Messages longer than that are neither sent nor received, unless a Listener or Client says so.
inline constexpr std::uint64_t kDefaultMaxFrame = std::uint64_t{256} << 20;

struct ListenerOptions {
  // The key that peers must have; nothing asks for none. An empty key is one.
  std::optional<std::string> authkey = {};
  // How long a peer may take to prove it.
  std::chrono::nanoseconds handshake_timeout = std::chrono::seconds{20};
  // How many connections wait in the kernel to be accepted.
  int backlog = 128;
  // The longest message.
  std::uint64_t max_frame = kDefaultMaxFrame;
  // Unix sockets: drops peers that run as another user.
  bool same_user = false;
  // Whether peers may prove the key by HMAC-MD5, as CPython before 3.12 does.
  bool allow_md5 = true;
  // What send and recv of the accepted connections speak.
  Codec codec = Codec::native;
};

class MP_API Listener {
 public:
  // Listens at `address`. If it is none, at an abstract unix socket with a random name, which only
  // processes of the same user may use.
  explicit Listener(Address address = {}, ListenerOptions options = {});

  // Waits for a peer. The second form throws TimeoutError at `until`, the third returns nothing.
  Connection accept() const { return accept(Deadline::never()); }
  Connection accept(Deadline until) const;
  [[nodiscard]] std::optional<Connection> try_accept_for(Deadline until) const;

  // Where it listens, with the port that was chosen.
  [[nodiscard]] const Address& address() const;
  // Where the last accepted peer is; nothing before the first.
  [[nodiscard]] std::optional<Address> last_accepted() const;
  // A descriptor that becomes readable when somebody connects; accept() may then still have to wait
  // for the proof of the key. -1 when closed.
  [[nodiscard]] int fileno() const noexcept;
  // For mp::wait: ready when somebody connects.
  [[nodiscard]] Waitable waitable() const noexcept { return Waitable{fileno()}; }

  // Accepts no more. Threads that wait in accept() throw ClosedError.
  void close() const noexcept;
  [[nodiscard]] bool closed() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mp
