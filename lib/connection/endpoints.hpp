// SPDX-License-Identifier: Apache-2.0
// connection/endpoints.hpp — between users' addresses and the kernel's.
#pragma once

#include <string_view>
#include <vector>

#include "mp/connection/address.hpp"

#include "os/endpoint.hpp"
#include "os/fd.hpp"

namespace mp::connection {

// What to try, in order. Looks a name up. Throws OsError; UsageError for no address.
[[nodiscard]] std::vector<os::SocketAddress> endpoints_of(const Address& address);
// The other way round; none for the unnamed end of a unix socket.
[[nodiscard]] Address address_of(const os::SocketAddress& endpoint);

// A unix socket with a name that nobody can guess, in the abstract space.
[[nodiscard]] Address random_address(std::string_view prefix);
// Listens at the first of the endpoints that will have it.
[[nodiscard]] os::Fd listen_on(const Address& address, int backlog);

}  // namespace mp::connection
