// SPDX-License-Identifier: Apache-2.0
// connection/tls.hpp — TLS 1.3 over a stream socket, which is somebody else's.
//
// It moves bytes between the socket and the TLS session and never waits; who has a socket to wait
// for, or an event loop, waits. A session has bytes of its own that no poll of the socket tells of:
// look at has_unread() and has_unsent().
//
// Threads: one may send and one receive at a time; a context may be shared.
// Throws:  AuthenticationError: the peer is refused, refuses us, or speaks no TLS. OsError: the
//          socket fails. UsageError from TlsContext.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "mp/base/bytes.hpp"
#include "mp/connection/tls_options.hpp"

namespace mp::connection {

enum class TlsRole : bool { client, server };

// What the sessions of one side have in common: keys, certificates, whom to trust.
class TlsContext {
 public:
  TlsContext(TlsRole role, const TlsOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  struct Parts;
  [[nodiscard]] const Parts& parts() const noexcept { return *parts_; }

 private:
  std::unique_ptr<Parts> parts_;
};

class Tls {
 public:
  // `host`: what a client calls its server.
  explicit Tls(std::shared_ptr<const TlsContext> context, const std::string& host = {});
  ~Tls();
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  // Goes on with the handshake. Returns whether it is done; if not, the socket has to be writable
  // first if has_unsent(), readable otherwise. Throws EOFError, too: the peer has closed.
  bool handshake(int socket);

  // Receives what there is, once; 0 is the end. Nothing if there is nothing yet.
  [[nodiscard]] std::optional<std::size_t> receive(int socket, MutableByteView room);
  // Takes as many of the bytes as there is room for. Nothing if there is no room.
  std::optional<std::size_t> send(int socket, ByteView bytes);

  // Whether there are bytes that must go out before anything else: send(socket, {}).
  [[nodiscard]] bool has_unsent() const;
  // Whether receive() may have something, though the socket has not.
  [[nodiscard]] bool has_unread() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// The same over a socket with TLS or, where `tls` is null, without.
[[nodiscard]] std::optional<std::size_t> receive(int socket, Tls* tls, MutableByteView room);
std::optional<std::size_t> send(int socket, Tls* tls, ByteView bytes);
// Waits for bytes; 0 is the end. The socket may be a blocking one or not.
[[nodiscard]] std::size_t await_bytes(int socket, Tls* tls, MutableByteView room);
// Sends all of them.
void send_all(int socket, Tls* tls, ByteView bytes);

}  // namespace mp::connection
