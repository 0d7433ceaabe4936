// SPDX-License-Identifier: Apache-2.0
// connection/endpoints.hpp — between users' addresses and the kernel's.
#pragma once

#include <vector>

#include "mp/connection/address.hpp"

#include "os/endpoint.hpp"

namespace mp::connection {

// What to try, in order. Looks a name up. Throws OsError; UsageError for no address.
[[nodiscard]] std::vector<os::SocketAddress> endpoints_of(const Address& address);
// The other way round; none for the unnamed end of a unix socket.
[[nodiscard]] Address address_of(const os::SocketAddress& endpoint);

}  // namespace mp::connection
