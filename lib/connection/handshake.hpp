// SPDX-License-Identifier: Apache-2.0
// connection/handshake.hpp — two sides convince each other that they have the same key.
//
//   server                                      client
//     "#CHALLENGE#" M           ------------>
//                               <------------     response(key, M)
//     "#WELCOME#" or "#FAILURE#" ----------->
//                               <------------     "#CHALLENGE#" M'
//     response(key, M')         ------------>
//                               <------------     "#WELCOME#" or "#FAILURE#"
//
// Each line is one message (frame_layout.hpp) of at most kLongestHandshakeMessage bytes. M names
// the digest and then has 40 random bytes, "{sha256}...", and the response is "{sha256}" with the
// HMAC of the whole of M. Older peers send 20 bytes without a name, and answer every M with a bare
// HMAC-MD5; they are served too unless `allow_md5` is off.
//
// A Handshake does no input or output. It is told what the peer says and says what to answer, so a
// blocking call, an event loop and a fuzzer use the same one.
//
// Threads: for one thread at a time.
// Crash:   answers are compared in constant time; the key is in memory for as long as it lasts.
// Throws:  Error when there are no random bytes or no such digest here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "mp/base/bytes.hpp"

namespace mp::connection {

inline constexpr std::size_t kLongestHandshakeMessage = 256;

class Handshake {
 public:
  enum class Role : std::uint8_t { server, client };
  enum class State : std::uint8_t {
    going_on,
    done,
    refused,  // the peer's answer is wrong, or ours was to the peer
    garbage,  // the peer does not speak this
  };

  Handshake(Role role, std::string key, bool allow_md5 = true);
  ~Handshake();
  Handshake(Handshake&&) noexcept = default;
  Handshake& operator=(Handshake&&) noexcept = default;

  // What to send first; nothing for a client.
  [[nodiscard]] Bytes begin();
  // The peer said `message`. Returns what to answer, in whatever state that leaves us. Expects:
  // going on.
  [[nodiscard]] std::optional<Bytes> hear(ByteView message);

  [[nodiscard]] State state() const noexcept { return state_; }
  // Why, once it is refused or garbage.
  [[nodiscard]] const char* reason() const noexcept { return reason_; }

 private:
  enum class Awaits : std::uint8_t { challenge, response, verdict };

  [[nodiscard]] Bytes challenge();
  [[nodiscard]] Bytes respond(ByteView challenge);
  [[nodiscard]] bool verify(ByteView response) const;
  void end(State state, const char* reason) noexcept;

  Role role_;
  State state_ = State::going_on;
  Awaits awaits_;
  bool allow_md5_;
  std::string key_;
  Bytes sent_;  // our challenge, as it must be answered
  const char* reason_ = "";
};

}  // namespace mp::connection
