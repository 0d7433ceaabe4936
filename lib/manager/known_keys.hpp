// SPDX-License-Identifier: Apache-2.0
// manager/known_keys.hpp — the keys of the servers that this process has spoken to.
//
// A proxy that arrives says where its server is, and not the key. It is the one of that server if a
// manager of this process, or of a parent before it started this one, has named it; otherwise the
// tree's.
//
// Threads: all functions may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "mp/connection/address.hpp"
#include "mp/connection/tls_options.hpp"

namespace mp::manager {

void remember_key(const Address& address, const std::string& authkey);
[[nodiscard]] std::string key_of(const Address& address);

// How a server is spoken to, beside the key. Inherited as the key is.
struct LinkSettings {
  std::optional<TlsOptions> tls = {};
  std::int64_t lease = 10;                          // seconds
  std::int64_t handshake_timeout = 20'000'000'000;  // nanoseconds
};
// They travel, and are compared, as a text; that of the usual ones is empty.
[[nodiscard]] std::string to_text(const LinkSettings& settings);
[[nodiscard]] LinkSettings settings_of(const std::string& text);
void remember_settings(const Address& address, const std::string& text);
[[nodiscard]] std::string settings_text(const Address& address);

}  // namespace mp::manager
