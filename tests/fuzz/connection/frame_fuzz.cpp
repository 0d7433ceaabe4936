// SPDX-License-Identifier: Apache-2.0
// A stream of bytes that claims to be messages. The first byte chooses the pieces in which it
// comes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "mp/errors/error.hpp"

#include "connection/frame_reader.hpp"

namespace {

constexpr std::uint64_t kLimit = 1 << 16;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t most = data[0] + std::size_t{1};
  mp::ByteView stream = std::as_bytes(std::span{data + 1, size - 1});
  mp::connection::FrameReader reader{kLimit};
  std::size_t given = 0;
  try {
    while (!stream.empty()) {
      const mp::MutableByteView room = reader.room();
      require(!room.empty() && room.size() <= kLimit);
      const std::size_t part = std::min({room.size(), stream.size(), most});
      std::copy_n(stream.begin(), part, room.begin());
      stream = stream.subspan(part);
      reader.filled(part);
      if (reader.complete()) {
        const mp::Bytes message = reader.take();
        given += message.size() + mp::layout::kShortFrameHead;
        require(given <= size && message.size() <= kLimit && !reader.begun());
      }
    }
  } catch (const mp::CodecError&) {
  }
  return 0;
}
