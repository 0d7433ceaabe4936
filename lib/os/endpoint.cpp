// SPDX-License-Identifier: Apache-2.0
#include "os/endpoint.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "mp/base/contract.hpp"

#include "os/check.hpp"

namespace mp::os {

namespace {

constexpr socklen_t kMostBytes = sizeof(SocketAddress::bytes);

const sockaddr* raw(const SocketAddress& address) noexcept {
  return reinterpret_cast<const sockaddr*>(address.bytes.data());
}

sockaddr* raw(SocketAddress& address) noexcept {
  return reinterpret_cast<sockaddr*>(address.bytes.data());
}

template <class Kernel>
SocketAddress from_kernel(const Kernel& form, std::size_t size = sizeof(Kernel)) noexcept {
  static_assert(sizeof(Kernel) <= sizeof(SocketAddress::bytes));
  SocketAddress address;
  std::memcpy(address.bytes.data(), &form, size);
  address.size = static_cast<std::uint32_t>(size);
  return address;
}

template <class Kernel>
Kernel to_kernel(const SocketAddress& address) noexcept {
  Kernel form{};
  std::memcpy(&form, address.bytes.data(), std::min<std::size_t>(address.size, sizeof form));
  return form;
}

// For the text of errors.
std::string describe(const SocketAddress& address) {
  const AddressParts parts = parts_of(address);
  switch (parts.family) {
    case Family::ipv4:
      return parts.name + ":" + std::to_string(parts.port);
    case Family::ipv6:
      return "[" + parts.name + "]:" + std::to_string(parts.port);
    default:
      return (parts.is_abstract ? "@" : "") + parts.name;
  }
}

Fd make_socket(const SocketAddress& address, int flags) {
  return Fd{check(call(Sys::socket, [&] {
    return ::socket(raw(address)->sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  }))};
}

void set_flag(int socket, int level, int option) {
  const int on = 1;
  check(call(Sys::setsockopt, [&] { return ::setsockopt(socket, level, option, &on, sizeof on); }));
}

// Bounds the next connect, also one to a unix socket whose backlog is full.
void set_connect_time(int socket, Deadline until) {
  timeval time{};  // zero: no bound
  if (!until.is_never()) {
    const std::int64_t left = std::max<std::int64_t>(until.remaining().count() / 1000, 1);
    time.tv_sec = left / 1'000'000;
    time.tv_usec = left % 1'000'000;
  }
  check(call(Sys::setsockopt,
             [&] { return ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time); }),
        "SO_SNDTIMEO");
}

// Errors of the connection that was to be accepted, and not of the socket that listens.
bool lost_before_accepted(int error) noexcept {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

AddressParts parts_of(const SocketAddress& address) {
  AddressParts parts;
  char text[INET6_ADDRSTRLEN] = "";
  switch (address.size < sizeof(sa_family_t) ? AF_UNSPEC : raw(address)->sa_family) {
    case AF_INET: {
      const auto form = to_kernel<sockaddr_in>(address);
      parts.family = Family::ipv4;
      parts.name = ::inet_ntop(AF_INET, &form.sin_addr, text, sizeof text);
      parts.port = ntohs(form.sin_port);
      break;
    }
    case AF_INET6: {
      const auto form = to_kernel<sockaddr_in6>(address);
      parts.family = Family::ipv6;
      parts.name = ::inet_ntop(AF_INET6, &form.sin6_addr, text, sizeof text);
      parts.port = ntohs(form.sin6_port);
      break;
    }
    case AF_UNIX: {
      parts.family = Family::local;
      const auto* name = reinterpret_cast<const char*>(address.bytes.data()) + sizeof(sa_family_t);
      const std::size_t size = address.size - sizeof(sa_family_t);
      parts.is_abstract = size != 0 && name[0] == '\0';
      parts.name = parts.is_abstract ? std::string{name + 1, size - 1}
                                     : std::string{name, ::strnlen(name, size)};
      break;
    }
    default:
      break;
  }
  return parts;
}

SocketAddress local_address(std::string_view name, bool is_abstract) {
  sockaddr_un form{};
  form.sun_family = AF_UNIX;
  // A path needs its final zero, a name in the abstract space the zero in front.
  MP_EXPECTS(name.size() < sizeof form.sun_path, "the name of a unix socket has at most 107 bytes");
  MP_EXPECTS(is_abstract || !name.empty(), "the path of a unix socket is empty");
  MP_EXPECTS(is_abstract || name.find('\0') == std::string_view::npos,
             "the path of a unix socket holds a zero byte");
  std::memcpy(form.sun_path + (is_abstract ? 1 : 0), name.data(), name.size());
  return from_kernel(form, offsetof(sockaddr_un, sun_path) + name.size() + 1);
}

SocketAddress numeric_address(const std::string& host, int port) noexcept {
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(static_cast<std::uint16_t>(port));
  if (host.empty() || ::inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1) {
    return from_kernel(four);
  }
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1) {
    return from_kernel(six);
  }
  return {};
}

Fd listen_at(const SocketAddress& address, int backlog) {
  Fd socket = make_socket(address, SOCK_NONBLOCK);
  if (raw(address)->sa_family != AF_UNIX) {
    set_flag(socket.get(), SOL_SOCKET, SO_REUSEADDR);
  }
  check(call(Sys::bind, [&] { return ::bind(socket.get(), raw(address), address.size); }),
        describe(address));
  check(call(Sys::listen, [&] { return ::listen(socket.get(), backlog); }), describe(address));
  return socket;
}

Fd accept_one(int listener, SocketAddress& peer) {
  for (;;) {
    socklen_t size = kMostBytes;
    const auto accepted =
        call(Sys::accept, [&] { return ::accept4(listener, raw(peer), &size, SOCK_CLOEXEC); });
    if (accepted.error == EAGAIN) {
      return {};
    }
    if (lost_before_accepted(accepted.error)) {
      continue;
    }
    Fd socket{check(accepted)};
    peer.size = std::min(size, kMostBytes);
    return socket;
  }
}

Fd connect_to(const SocketAddress& address, Deadline until) {
  Fd socket = make_socket(address, 0);
  set_connect_time(socket.get(), until);
  const auto connected =
      call(Sys::connect, [&] { return ::connect(socket.get(), raw(address), address.size); });
  // Interrupted, and made again, it may have succeeded meanwhile.
  if (connected.error != 0 && connected.error != EISCONN) {
    const bool late = connected.error == EINPROGRESS || connected.error == EAGAIN;
    detail::throw_os_error(late ? ETIMEDOUT : connected.error, Sys::connect, describe(address));
  }
  set_connect_time(socket.get(), Deadline::never());
  return socket;
}

SocketAddress own_address(int socket) {
  SocketAddress address;
  socklen_t size = kMostBytes;
  check(call(Sys::getsockname, [&] { return ::getsockname(socket, raw(address), &size); }));
  address.size = std::min(size, kMostBytes);
  return address;
}

Family family_of(int socket) noexcept {
  SocketAddress address;
  socklen_t size = kMostBytes;
  if (!call(Sys::getsockname, [&] { return ::getsockname(socket, raw(address), &size); }).ok()) {
    return Family::none;
  }
  switch (raw(address)->sa_family) {
    case AF_INET:
      return Family::ipv4;
    case AF_INET6:
      return Family::ipv6;
    case AF_UNIX:
      return Family::local;
    default:
      return Family::none;
  }
}

void set_no_delay(int socket) noexcept {
  const int on = 1;
  (void)call(Sys::setsockopt,
             [&] { return ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); });
}

void acknowledge_quickly(int socket) noexcept {
  const int on = 1;
  (void)call(Sys::setsockopt,
             [&] { return ::setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on); });
}

void set_lease(int socket, std::chrono::seconds lease) noexcept {
  const auto set = [socket](int level, int option, int value) {
    (void)call(Sys::setsockopt,
               [&] { return ::setsockopt(socket, level, option, &value, sizeof value); });
  };
  // An idle peer is asked after a third of the time, and twice more.
  const int third = std::max(1, static_cast<int>(lease.count() / 3));
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, third);
  set(IPPROTO_TCP, TCP_KEEPINTVL, third);
  set(IPPROTO_TCP, TCP_KEEPCNT, 2);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(lease.count() * 1000));
}

void remove_path(const std::string& path) noexcept {
  (void)call(Sys::unlink, [&] { return ::unlink(path.c_str()); });
}

}  // namespace mp::os
