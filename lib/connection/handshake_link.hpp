// SPDX-License-Identifier: Apache-2.0
// connection/handshake_link.hpp — a handshake over a socket, one step at a time, never waiting.
//
// Threads: for one thread at a time.
#pragma once

#include <string>

#include "mp/base/bytes.hpp"

#include "connection/frame_reader.hpp"
#include "connection/handshake.hpp"

namespace mp::connection {

class HandshakeLink {
 public:
  enum class State : std::uint8_t {
    going_on,
    done,     // authenticated, and everything of ours is sent
    refused,  // as Handshake has it
    garbage,  // or the bytes are no messages
    gone,     // the peer closed the connection
  };

  explicit HandshakeLink(Handshake handshake);

  // Moves what can be moved. Throws OsError when the socket fails.
  State step(int socket);
  // Whether the next step needs the socket to be writable, and not readable.
  [[nodiscard]] bool wants_to_write() const noexcept { return sent_ < out_.size(); }
  [[nodiscard]] const char* reason() const noexcept { return reason_; }

 private:
  void say(ByteView message);
  State advance(int socket);

  Handshake handshake_;
  FrameReader in_{kLongestHandshakeMessage};
  Bytes out_;
  std::size_t sent_ = 0;
  const char* reason_ = "";
};

}  // namespace mp::connection
