// SPDX-License-Identifier: Apache-2.0
#include "connection/handshake_link.hpp"

#include <utility>

#include "mp/errors/error.hpp"

#include "os/endpoint.hpp"
#include "os/socket.hpp"

namespace mp::connection {

HandshakeLink::HandshakeLink(Handshake handshake) : handshake_{std::move(handshake)} {
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
  } catch (const OsError& error) {
    if (os::peer_is_gone(error.code().value())) {
      return State::gone;
    }
    throw;
  }
}

HandshakeLink::State HandshakeLink::advance(int socket) {
  for (;;) {
    while (wants_to_write()) {
      const auto sent = os::send_some(socket, ByteView{out_}.subspan(sent_), {});
      if (!sent.ok() && os::no_room(sent.error)) {
        return State::going_on;
      }
      sent_ += static_cast<std::size_t>(os::check(sent));
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
    os::Received got;
    if (!os::receive_some(socket, in_.room(), 0, got)) {
      os::acknowledge_quickly(socket);
      return State::going_on;
    }
    if (got.size == 0) {
      return State::gone;
    }
    in_.filled(got.size);
    if (in_.complete()) {
      if (const std::optional<Bytes> answer = handshake_.hear(in_.take())) {
        say(*answer);
      }
    }
  }
}

}  // namespace mp::connection
