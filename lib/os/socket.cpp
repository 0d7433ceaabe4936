// SPDX-License-Identifier: Apache-2.0
#include "os/socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mp/base/contract.hpp"

#include "os/check.hpp"
#include "os/poll.hpp"

namespace mp::os {

namespace {

constexpr std::size_t kControlSize = CMSG_SPACE(kMaxSentFds * sizeof(int));

// Room for the descriptors of one message, aligned as the kernel's header wants it.
struct alignas(cmsghdr) Control {
  std::array<std::byte, kControlSize> bytes;
};

void attach(msghdr& message, Control& control, std::span<const int> fds) noexcept {
  message.msg_control = control.bytes.data();
  message.msg_controllen = CMSG_SPACE(fds.size_bytes());
  std::memset(control.bytes.data(), 0, message.msg_controllen);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
}

// Takes possession of every descriptor in the message, before anything can throw over it.
std::vector<Fd> detach(msghdr& message, Received& into) {
  std::array<int, kMaxSentFds> raw;  // NOLINT: only the used part is initialised
  std::size_t count = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      const std::size_t size = header->cmsg_len - CMSG_LEN(0);
      std::memcpy(raw.data() + count, CMSG_DATA(header), size);
      count += size / sizeof(int);
    }
  }
  std::vector<Fd> fds;
  try {
    fds.reserve(count);
    into.fds.reserve(into.fds.size() + count);
  } catch (...) {
    for (std::size_t i = 0; i != count; ++i) {
      Fd{raw[i]}.reset();
    }
    throw;
  }
  for (std::size_t i = 0; i != count; ++i) {
    fds.emplace_back(raw[i]);
  }
  return fds;
}

}  // namespace

bool receive_some(int socket, MutableByteView buffer, std::size_t max_fds, Received& into) {
  Control control;  // NOLINT: the kernel fills it
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  const auto got = call(
      Sys::recvmsg, [&] { return ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
  if (got.error == EAGAIN) {
    return false;
  }
  check(got);
  std::vector<Fd> fds = detach(message, into);
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    // There was room for as many as can be sent, so it was this process's table that had none.
    detail::throw_os_error(EMFILE, Sys::recvmsg, "received descriptors");
  }
  if ((message.msg_flags & MSG_TRUNC) != 0) {
    detail::throw_os_error(EMSGSIZE, Sys::recvmsg, "message");
  }
  if (into.fds.size() + fds.size() > max_fds) {
    detail::throw_os_error(EMSGSIZE, Sys::recvmsg, "more descriptors than expected");
  }
  into.size += static_cast<std::size_t>(got.value);
  into.fds.insert(into.fds.end(), std::make_move_iterator(fds.begin()),
                  std::make_move_iterator(fds.end()));
  return true;
}

Outcome<long> send_some(int socket, ByteView first, ByteView second,
                        std::span<const int> fds) noexcept {
  Control control;  // NOLINT: attach() fills what is used
  std::array<iovec, 2> parts{{{const_cast<std::byte*>(first.data()), first.size()},
                              {const_cast<std::byte*>(second.data()), second.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (!fds.empty()) {
    attach(message, control, fds);
  }
  return call(Sys::sendmsg,
              [&]() -> long { return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
}

bool no_room(int error) noexcept {
  return error == EAGAIN || error == ENOBUFS;
}

bool peer_is_gone(int error) noexcept {
  return error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == ETIMEDOUT;
}

bool timed_out(int error) noexcept {
  return error == ETIMEDOUT;
}

std::pair<Fd, Fd> socket_pair(SocketKind kind) {
  const int type = kind == SocketKind::stream ? SOCK_STREAM : SOCK_SEQPACKET;
  int fds[2] = {-1, -1};
  check(call(Sys::socketpair, [&] { return ::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds); }));
  return {Fd{fds[0]}, Fd{fds[1]}};
}

void send_all(int socket, ByteView bytes, std::span<const int> fds, Deadline until) {
  MP_EXPECTS(fds.size() <= kMaxSentFds, "at most 253 descriptors travel with one message");
  MP_EXPECTS(fds.empty() || !bytes.empty(), "descriptors travel with at least one byte");
  Control control;  // NOLINT: attach() fills what is used
  do {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      attach(message, control, fds);
    }
    const auto sent = call(
        Sys::sendmsg, [&] { return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
    if (sent.error == EAGAIN) {
      if (!wait_writable(socket, until)) {
        detail::throw_os_error(ETIMEDOUT, Sys::sendmsg, "");
      }
      continue;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(check(sent)));
    fds = {};
  } while (!bytes.empty());
}

Received receive(int socket, MutableByteView buffer, std::size_t max_fds, Deadline until) {
  Received received;
  while (!receive_some(socket, buffer, max_fds, received)) {
    if (!wait_readable(socket, until)) {
      detail::throw_os_error(ETIMEDOUT, Sys::recvmsg, "");
    }
  }
  return received;
}

std::size_t await_bytes(int socket, MutableByteView buffer) {
  for (;;) {
    const auto got =
        call(Sys::recvmsg, [&] { return ::recv(socket, buffer.data(), buffer.size(), 0); });
    if (got.error != EAGAIN) {
      return static_cast<std::size_t>(check(got));
    }
    (void)wait_readable(socket, Deadline::never());
  }
}

void set_blocking(int socket, bool on) {
  const int flags = check(call(Sys::fcntl, [&] { return ::fcntl(socket, F_GETFL); }));
  const int wanted = on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  if (wanted != flags) {
    check(call(Sys::fcntl, [&] { return ::fcntl(socket, F_SETFL, wanted); }));
  }
}

Received receive_all(int socket, MutableByteView buffer, std::size_t max_fds, Deadline until) {
  Received received;
  while (received.size < buffer.size()) {
    const std::size_t before = received.size;
    const bool got = receive_some(socket, buffer.subspan(before), max_fds, received);
    if (got && received.size == before) {
      break;  // the end
    }
    if (!got && !wait_readable(socket, until)) {
      detail::throw_os_error(ETIMEDOUT, Sys::recvmsg, "");
    }
  }
  return received;
}

Credentials peer_credentials(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  check(call(Sys::getsockopt,
             [&] { return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size); }),
        "SO_PEERCRED");
  return {peer.pid, peer.uid, peer.gid};
}

Credentials own_credentials() noexcept {
  return {::getpid(), ::geteuid(), ::getegid()};
}

}  // namespace mp::os
