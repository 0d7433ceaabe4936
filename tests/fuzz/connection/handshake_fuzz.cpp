// SPDX-License-Identifier: Apache-2.0
// A peer that says anything at all, in both roles. It must never be taken for one with the key:
// what it says does not depend on our challenge, so only a message of luck could be right.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "connection/frame_reader.hpp"
#include "connection/handshake.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using mp::connection::Handshake;
  if (size == 0) {
    return 0;
  }
  const auto role = data[0] % 2 == 0 ? Handshake::Role::server : Handshake::Role::client;
  mp::ByteView rest = std::as_bytes(std::span{data + 1, size - 1});
  Handshake handshake{role, "key", data[0] % 4 < 2};
  static_cast<void>(handshake.begin());
  // A message is a byte for its size, and the bytes.
  while (!rest.empty() && handshake.state() == Handshake::State::going_on) {
    const std::size_t wanted = static_cast<std::size_t>(rest[0]);
    rest = rest.subspan(1);
    const mp::ByteView message = rest.first(std::min(wanted, rest.size()));
    rest = rest.subspan(message.size());
    const auto answer = handshake.hear(message);
    if (answer && answer->size() > mp::connection::kLongestHandshakeMessage) {
      std::abort();
    }
  }
  if (handshake.state() == Handshake::State::done) {
    std::abort();
  }
  return 0;
}
