// SPDX-License-Identifier: Apache-2.0
#include "connection/handshake_link.hpp"

#include <utility>

#include "mp/errors/error.hpp"

#include "os/endpoint.hpp"
#include "os/socket.hpp"

namespace mp::connection {

HandshakeLink::HandshakeLink(Handshake handshake, std::unique_ptr<Tls> tls)
    : handshake_{std::move(handshake)}, tls_{std::move(tls)}, is_secured_{tls_ == nullptr} {
  if (const Bytes first = handshake_.begin(); !first.empty()) {
    say(first);
  }
}

void HandshakeLink::say(ByteView message) {
  const layout::FrameHead head = layout::make_frame_head(message.size());
  out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_));
  sent_ = 0;
  out_.insert(out_.end(), head.view().begin(), head.view().end());
  out_.insert(out_.end(), message.begin(), message.end());
}

HandshakeLink::State HandshakeLink::step(int socket) {
  try {
    return advance(socket);
  } catch (const CodecError&) {
    reason_ = "the peer sends no messages, or long ones, where a handshake is due";
    return State::garbage;
  } catch (const AuthenticationError& error) {
    reason_ = error.what();
    return State::garbage;
  } catch (const EOFError&) {
    return State::gone;
  } catch (const OsError& error) {
    if (os::peer_is_gone(error.code().value())) {
      return State::gone;
    }
    throw;
  }
}

HandshakeLink::State HandshakeLink::advance(int socket) {
  if (!is_secured_) {
    if (!tls_->handshake(socket)) {
      return State::going_on;
    }
    is_secured_ = true;
  }
  for (;;) {
    while (wants_to_write()) {
      const auto sent = send(socket, tls_.get(), ByteView{out_}.subspan(sent_));
      if (!sent) {
        return State::going_on;
      }
      sent_ += *sent;
    }
    // The verdict is on its way before anybody hears of it.
    switch (handshake_.state()) {
      case Handshake::State::going_on:
        break;
      case Handshake::State::done:
        return State::done;
      case Handshake::State::refused:
        reason_ = handshake_.reason();
        return State::refused;
      case Handshake::State::garbage:
        reason_ = handshake_.reason();
        return State::garbage;
    }
    const auto got = receive(socket, tls_.get(), in_.room());
    if (!got) {
      os::acknowledge_quickly(socket);
      return State::going_on;
    }
    if (*got == 0) {
      return State::gone;
    }
    in_.filled(*got);
    if (in_.complete()) {
      if (const std::optional<Bytes> answer = handshake_.hear(in_.take())) {
        say(*answer);
      }
    }
  }
}

}  // namespace mp::connection
