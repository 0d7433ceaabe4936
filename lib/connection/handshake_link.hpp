// SPDX-License-Identifier: Apache-2.0
// connection/handshake_link.hpp — a handshake over a socket, one step at a time, never waiting.
// Under TLS that comes first, and the keys are proved inside.
//
// Threads: for one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "mp/base/bytes.hpp"

#include "connection/frame_reader.hpp"
#include "connection/handshake.hpp"
#include "connection/tls.hpp"

namespace mp::connection {

class HandshakeLink {
 public:
  enum class State : std::uint8_t {
    going_on,
    done,     // authenticated, and everything of ours is sent
    refused,  // as Handshake has it
    garbage,  // or the bytes are no messages, or TLS has failed
    gone,     // the peer closed the connection
  };

  explicit HandshakeLink(Handshake handshake, std::unique_ptr<Tls> tls = nullptr);

  // Moves what can be moved. Throws OsError when the socket fails.
  State step(int socket);
  // Whether the next step needs the socket to be writable, and not readable.
  [[nodiscard]] bool wants_to_write() const {
    const bool tls_wants = tls_ && tls_->has_unsent();
    return tls_wants || (is_secured_ && sent_ < out_.size());
  }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  // For what comes behind the handshake; null without TLS.
  [[nodiscard]] std::unique_ptr<Tls> take_tls() noexcept { return std::move(tls_); }

 private:
  void say(ByteView message);
  State advance(int socket);

  Handshake handshake_;
  FrameReader in_{kLongestHandshakeMessage};
  Bytes out_;
  std::size_t sent_ = 0;
  std::unique_ptr<Tls> tls_;
  bool is_secured_ = true;  // whether the handshake of TLS is over, if there is one
  std::string reason_;
};

}  // namespace mp::connection
