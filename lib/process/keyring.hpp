// SPDX-License-Identifier: Apache-2.0
// process/keyring.hpp — keys of peers that this process has learned, by the names of the peers.
//
// A child inherits them, however it is started: a proxy that it is handed says where its server is,
// and not the key.
//
// Threads: all functions may be called from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mp::process {

struct KnownKey {
  std::string name;
  std::string key;
};
using Keyring = std::vector<KnownKey>;

void remember_key(std::string name, std::string key);
[[nodiscard]] std::optional<std::string> known_key(std::string_view name);
[[nodiscard]] Keyring keyring();

}  // namespace mp::process
