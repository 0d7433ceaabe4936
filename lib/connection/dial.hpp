// SPDX-License-Identifier: Apache-2.0
// connection/dial.hpp — a connected and authenticated socket, for who speaks more than messages.
#pragma once

#include "mp/connection/address.hpp"
#include "mp/connection/client.hpp"

#include "os/fd.hpp"

namespace mp::connection {

// What Client does, up to the socket, which does not block. Throws as Client.
[[nodiscard]] os::Fd dial(const Address& address, const ClientOptions& options);

}  // namespace mp::connection
