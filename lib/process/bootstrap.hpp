// SPDX-License-Identifier: Apache-2.0
// process/bootstrap.hpp — what a re-executed child does with the socket it was started with.
//
// Both directions carry frames, a length (8 bytes) and that many bytes:
//
//     parent -> child   hello:  the build of the main executable (16 bytes)
//                       call    (mp/process/raw_call.hpp), any number of them
//     child -> parent   outcome of each call, in order
//
// The child ends with exit status 0 when the parent closes its end.
//
// Threads: one thread at each end.
// Crash:   the other side sees the end of the stream.
// Throws:  OsError, EOFError; DecodeError when a frame is longer than kMaxFrame.
#pragma once

#include <cstddef>
#include <optional>

#include "mp/base/bytes.hpp"

#include "os/fd.hpp"

namespace mp::process {

inline constexpr std::size_t kMaxFrame = std::size_t{1} << 40;

// Serves calls until the parent closes the channel. Returns the exit status.
[[nodiscard]] int child_main(os::Fd channel) noexcept;

// The parent's first words.
void send_hello(int channel);
void send_frame(int channel, ByteView frame);
// Returns the next frame; nothing at the end of the stream.
[[nodiscard]] std::optional<Bytes> receive_frame(int channel);

}  // namespace mp::process
