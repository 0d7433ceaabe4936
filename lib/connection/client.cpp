// SPDX-License-Identifier: Apache-2.0
#include "mp/connection/client.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "mp/errors/error.hpp"

#include "connection/dial.hpp"
#include "connection/endpoints.hpp"
#include "connection/handshake_link.hpp"
#include "connection/socket_channel.hpp"
#include "os/endpoint.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"

namespace mp {

namespace {

// Tries everything that the address may stand for. Throws what the last one said.
os::Fd connect(const Address& address, Deadline until) {
  const std::vector<os::SocketAddress> endpoints = connection::endpoints_of(address);
  for (std::size_t i = 0;; ++i) {
    try {
      return os::connect_to(endpoints.at(i), until);
    } catch (const OsError& error) {
      if (os::timed_out(error.code().value()) && until.passed()) {
        throw TimeoutError{"no connection to " + address.to_string() + " was made in time"};
      }
      if (i + 1 == endpoints.size()) {
        throw;
      }
    }
  }
}

std::unique_ptr<connection::Tls> authenticate(int socket, const ClientOptions& options,
                                              std::unique_ptr<connection::Tls> tls) {
  using connection::Handshake;
  using State = connection::HandshakeLink::State;
  const Deadline until{options.handshake_timeout};
  connection::HandshakeLink link{
      Handshake{Handshake::Role::client, *options.authkey, options.allow_md5}, std::move(tls)};
  for (;;) {
    switch (link.step(socket)) {
      case State::going_on:
        break;
      case State::done:
        return link.take_tls();
      case State::gone:
        throw EOFError{"the listener closed the connection before both had proved their keys"};
      case State::refused:
      case State::garbage:
        throw AuthenticationError{link.reason()};
    }
    const bool ready =
        link.wants_to_write() ? os::wait_writable(socket, until) : os::wait_readable(socket, until);
    if (!ready) {
      throw TimeoutError{"the listener did not prove in time that it has the key"};
    }
  }
}

}  // namespace

namespace connection {

os::Fd dial(const Address& address, const ClientOptions& options) {
  os::Fd socket = connect(address, Deadline{options.connect_timeout});
  os::set_no_delay(socket.get());
  if (options.authkey) {
    authenticate(socket.get(), options, nullptr);
  }
  return socket;
}

Secured dial_secured(const Address& address, const ClientOptions& options,
                     std::shared_ptr<const TlsContext> context) {
  Secured made{connect(address, Deadline{options.connect_timeout}), nullptr};
  os::set_no_delay(made.socket.get());
  if (context) {
    made.tls = std::make_unique<Tls>(std::move(context), address.host());
  }
  made.tls = authenticate(made.socket.get(), options, std::move(made.tls));
  return made;
}

}  // namespace connection

Connection Client(const Address& address, const ClientOptions& options) {
  return Connection{std::make_shared<connection::SocketChannel>(connection::dial(address, options),
                                                                options.max_frame),
                    options.codec};
}

}  // namespace mp
