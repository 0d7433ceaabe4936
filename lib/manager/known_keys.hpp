// SPDX-License-Identifier: Apache-2.0
// manager/known_keys.hpp — the keys of the servers that this process has spoken to.
//
// A proxy that arrives says where its server is, and not the key. It is the one of that server if a
// manager of this process, or of a parent before it started this one, has named it; otherwise the
// tree's.
//
// Threads: all functions may be called from any thread.
#pragma once

#include <string>

#include "mp/connection/address.hpp"

namespace mp::manager {

void remember_key(const Address& address, const std::string& authkey);
[[nodiscard]] std::string key_of(const Address& address);

}  // namespace mp::manager
