// SPDX-License-Identifier: Apache-2.0
// mp/connection/client.hpp — connecting to a Listener, of this library or of CPython.
//
//     mp::Connection connection = mp::Client(mp::tcp("server", 5000), {.authkey = "secret"});
//
// Threads:   may be called from any thread.
// Blocks:    until connected and, with a key, until both sides have proved that they have it.
// Throws:    OsError: nobody listens there (ECONNREFUSED, ENOENT), or cannot be reached.
//            AuthenticationError: the listener has another key, or does not ask for one.
//            TimeoutError at the end of either timeout. EOFError: the listener closed the
//            connection without a word.
// Python:    multiprocessing.connection.Client.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "mp/base/export.hpp"
#include "mp/connection/address.hpp"
#include "mp/connection/connection.hpp"
#include "mp/connection/listener.hpp"

namespace mp {

struct ClientOptions {
  // The key that the listener must have; nothing expects it to ask for none.
  std::optional<std::string> authkey = {};
  // How long connecting may take; by default as long as the system tries.
  std::chrono::nanoseconds connect_timeout = std::chrono::nanoseconds::max();
  // How long the proof may take. A listener that wants no key says nothing, for ever.
  std::chrono::nanoseconds handshake_timeout = std::chrono::seconds{20};
  // The longest message.
  std::uint64_t max_frame = kDefaultMaxFrame;
  // Whether the key may be proved by HMAC-MD5, as CPython before 3.12 does.
  bool allow_md5 = true;
  // What send and recv speak.
  Codec codec = Codec::native;
};

// Returns a connection to whoever listens at `address`.
[[nodiscard]] MP_API Connection Client(const Address& address, const ClientOptions& options = {});

}  // namespace mp
