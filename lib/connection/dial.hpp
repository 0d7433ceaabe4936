// SPDX-License-Identifier: Apache-2.0
// connection/dial.hpp — a connected and authenticated socket, for who speaks more than messages.
#pragma once

#include <memory>

#include "mp/connection/address.hpp"
#include "mp/connection/client.hpp"

#include "connection/tls.hpp"
#include "os/fd.hpp"

namespace mp::connection {

// What Client does, up to the socket, which does not block. Throws as Client.
[[nodiscard]] os::Fd dial(const Address& address, const ClientOptions& options);

struct Secured {
  os::Fd socket;
  std::unique_ptr<Tls> tls;
};
// The same under TLS, unless `context` is null. Expects a key.
[[nodiscard]] Secured dial_secured(const Address& address, const ClientOptions& options,
                                   std::shared_ptr<const TlsContext> context);

}  // namespace mp::connection
