// SPDX-License-Identifier: Apache-2.0
// os/socket.hpp — unix-domain socket pairs that carry bytes and descriptors.
//
// Threads: one sender and one receiver may use a socket at a time.
// Owns:    received descriptors are Fds, close-on-exec; whatever goes wrong, none leaks.
// Blocks:  until done, the end, or the deadline, whether the socket is a blocking one or not.
// Throws:  OsError: EPIPE or ECONNRESET when the peer is gone, ETIMEDOUT, EMSGSIZE (see below),
//          EMFILE when the received descriptors go over this process's limit. No SIGPIPE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/deadline.hpp"

#include "os/check.hpp"
#include "os/fd.hpp"

namespace mp::os {

enum class SocketKind : std::uint8_t {
  stream,     // bytes without borders
  seqpacket,  // whole messages
};

[[nodiscard]] std::pair<Fd, Fd> socket_pair(SocketKind kind);

// The most descriptors that travel with one message.
inline constexpr std::size_t kMaxSentFds = 253;

// Sends all the bytes, the descriptors with the first of them. There must be a byte if there are
// descriptors.
void send_all(int socket, ByteView bytes, std::span<const int> fds = {},
              Deadline until = Deadline::never());

struct Received {
  std::size_t size = 0;      // bytes; 0 is the end
  std::vector<Fd> fds = {};  // in the order in which they were sent
};

// Receives what there is, once, and adds it to `into`. Returns false if there is nothing yet; when
// it returns true and added no byte, that is the end.
bool receive_some(int socket, MutableByteView buffer, std::size_t max_fds, Received& into);

// Sends as many of the bytes of both parts as there is room for, without waiting, and the
// descriptors with the first of them. EAGAIN in the outcome says that there is no room at all.
[[nodiscard]] Outcome<long> send_some(int socket, ByteView first, ByteView second,
                                      std::span<const int> fds = {}) noexcept;
// What such an error means.
[[nodiscard]] bool no_room(int error) noexcept;
[[nodiscard]] bool peer_is_gone(int error) noexcept;
[[nodiscard]] bool timed_out(int error) noexcept;

// Receives what there is, once: a whole message, or some bytes of a stream. EMSGSIZE if a message
// was longer than the buffer or brought more than `max_fds` descriptors; both are gone then.
[[nodiscard]] Received receive(int socket, MutableByteView buffer, std::size_t max_fds = 0,
                               Deadline until = Deadline::never());

// Waits for bytes of a stream and receives what there is, once; 0 is the end. One call of the
// kernel if the socket is a blocking one.
[[nodiscard]] std::size_t await_bytes(int socket, MutableByteView buffer);
// Whether calls without MSG_DONTWAIT wait.
void set_blocking(int socket, bool on);

// Receives from a stream until the buffer is full, or the end (`size` is less then).
[[nodiscard]] Received receive_all(int socket, MutableByteView buffer, std::size_t max_fds = 0,
                                   Deadline until = Deadline::never());

struct Credentials {
  int pid;
  unsigned user;
  unsigned group;
};

// Who made the other end, as the kernel wrote it down then.
[[nodiscard]] Credentials peer_credentials(int socket);
// The user and group that this process acts as.
[[nodiscard]] Credentials own_credentials() noexcept;

}  // namespace mp::os
