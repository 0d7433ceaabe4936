// SPDX-License-Identifier: Apache-2.0
// Names of hosts. A file of its own, so that programs linked statically have libc's resolver, and
// the linker's warning about it, only if they use it.
#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>

#include <sys/socket.h>

#include "mp/errors/error.hpp"

#include "os/check.hpp"
#include "os/endpoint.hpp"

namespace mp::os {

std::vector<SocketAddress> resolve(const std::string& host, int port) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int reason = 0;
  const int error = call_status(Sys::getaddrinfo, [&] {
    reason = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
    return reason == 0 ? 0 : reason == EAI_SYSTEM ? errno : EHOSTUNREACH;
  });
  if (error != 0) {
    throw OsError{error, name(Sys::getaddrinfo),
                  reason == 0 ? host : host + ": " + ::gai_strerror(reason)};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, ::freeaddrinfo};
  std::vector<SocketAddress> addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    SocketAddress address;
    if (each->ai_addrlen <= address.bytes.size()) {
      std::memcpy(address.bytes.data(), each->ai_addr, each->ai_addrlen);
      address.size = each->ai_addrlen;
      addresses.push_back(address);
    }
  }
  return addresses;
}

}  // namespace mp::os
