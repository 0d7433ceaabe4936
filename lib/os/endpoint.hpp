// SPDX-License-Identifier: Apache-2.0
// os/endpoint.hpp — sockets that have addresses: listening, accepting, connecting.
//
// Threads: everything may be called from any thread; a listening socket may be shared.
// Owns:    every socket is an Fd, close-on-exec. A path in the file system is its maker's to
// remove. Blocks:  connect_to, until connected or the deadline; resolve, while the system's
// resolver asks. Throws:  OsError, with the address in it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mp/base/deadline.hpp"

#include "os/fd.hpp"

namespace mp::os {

enum class Family : std::uint8_t { none, ipv4, ipv6, local };

// The kernel's form of an address.
struct SocketAddress {
  alignas(8) std::array<std::byte, 128> bytes{};
  std::uint32_t size = 0;
};

// The same, taken apart. `name` is a numeric host, a path, or a name after `is_abstract`.
struct AddressParts {
  Family family = Family::none;
  std::string name = {};
  int port = 0;
  bool is_abstract = false;
};
[[nodiscard]] AddressParts parts_of(const SocketAddress& address);

// The address of a unix-domain socket. Throws UsageError when the name is too long for the kernel.
[[nodiscard]] SocketAddress local_address(std::string_view name, bool is_abstract);
// A numeric host: IPv4, IPv6, or "" for all addresses of this machine. Empty size if it is none.
[[nodiscard]] SocketAddress numeric_address(const std::string& host, int port) noexcept;
// What a name stands for, in the order in which to try.
[[nodiscard]] std::vector<SocketAddress> resolve(const std::string& host, int port);

// Makes a socket that listens there. Connections that wait to be accepted are at most `backlog`.
[[nodiscard]] Fd listen_at(const SocketAddress& address, int backlog);
// Takes the next connection that waits, and tells whose it is. No Fd if none waits.
[[nodiscard]] Fd accept_one(int listener, SocketAddress& peer);
// Makes a connection. Throws OsError (ETIMEDOUT) at the deadline.
[[nodiscard]] Fd connect_to(const SocketAddress& address, Deadline until);

// Where a socket is bound.
[[nodiscard]] SocketAddress own_address(int socket);
// Family of the socket; none when it is no socket.
[[nodiscard]] Family family_of(int socket) noexcept;

// Sends small segments at once; acknowledges at once what comes next. Nothing happens on sockets
// that are not TCP's.
void set_no_delay(int socket) noexcept;
void acknowledge_quickly(int socket) noexcept;

// Has the kernel give a TCP connection up, with ETIMEDOUT, when its peer's machine has not answered
// for that long.
void set_lease(int socket, std::chrono::seconds lease) noexcept;

// Removes a socket's path.
void remove_path(const std::string& path) noexcept;

}  // namespace mp::os
