// SPDX-License-Identifier: Apache-2.0
// manager/protocol_layout.hpp — the messages between a client and a server that are both of mp.
//
// Each is one frame (connection/frame_layout.hpp). A connection begins as CPython's do, with the
// handshake and a request in pickle. The request that asks for this wire is the call of a function
// that CPython's server does not have, which answers it as such and closes; so neither side ever
// says to CPython what CPython does not understand:
//
//   client   pickle of (None, 'mp_native', (version,), {})
//   server   one frame, "mp", version
//
// From then on, little-endian:
//
//   request  | id: 8 | op: 1 | thread: 4 | ...          reply  | id: 8 | kind: 1 | ...
//     call     | object: 8 | method: text | arguments       nothing
//     create   | type: text | arguments                     value    | item
//     incref   | object: 8                                  values   | count: 8 | items
//     decref   | object: 8                                  error    | encode_exception's bytes
//     lend     | object: 8                                  object   | id: 8 | type: text |
//     others   |                                                     | count: 4 | tags: 8 each
//
//   text       | size: 4 | bytes                        arguments    | count: 4 | items
//   item       | tag: 8 | size: 8 | objects: 4 | the objects' ids: 8 each | the value's bytes
//
// A request with id 0 is not answered. Replies come in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mp/codec/reader.hpp"
#include "mp/codec/writer.hpp"

namespace mp::layout {

// Raised with every change of the messages or of the codec.
inline constexpr char kNativeVersion = 1;

// (None, 'mp_native', (1,), {}) as protocol 2 has it; the byte before \x85 is the version.
inline constexpr std::string_view kAskForNative{"\x80\x02(NX\x09\x00\x00\x00mp_nativeK\x01\x85}t.",
                                                24};
static_assert(kAskForNative[19] == kNativeVersion && kAskForNative[23] == '.');
inline constexpr std::string_view kNativeAccepted{"mp\x01", 3};

enum class Op : std::uint8_t { call, create, incref, decref, lend, ping, count, shutdown };
inline constexpr std::uint32_t kOps = 8;

enum class ReplyKind : std::uint8_t { nothing, value, values, error, object };
inline constexpr std::uint32_t kReplyKinds = 5;

inline constexpr std::size_t kItemHead = 8 + 8 + 4;
inline constexpr std::size_t kReplyHead = 8 + 1;

inline void write_text(Writer& out, std::string_view text) {
  out.write_raw(static_cast<std::uint32_t>(text.size()));
  out.write_bytes(text.data(), text.size());
}
inline std::string_view read_text(Reader& in) {
  const ByteView bytes = in.read_view(in.read_raw<std::uint32_t>());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace mp::layout
