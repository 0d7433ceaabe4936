// SPDX-License-Identifier: Apache-2.0
// Blocks that claim to hold a ShareableList. The first byte chooses whether the bytes are the whole
// block, or changes to an honest one, which the fuzzer would rarely find.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "mp/errors.hpp"
#include "mp/shared/shareable_list.hpp"

namespace {

void read_all(const mp::SharedMemory& block) {
  try {
    const mp::ShareableList list{mp::open, block.name()};
    for (std::size_t i = 0; i < list.size(); ++i) {
      try {
        const mp::ShareableItem item = list.get(static_cast<std::ptrdiff_t>(i));
        list.set(static_cast<std::ptrdiff_t>(i), item);
      } catch (const mp::DecodeError&) {
      } catch (const mp::UsageError&) {
      }
    }
    (void)list.format();
  } catch (const mp::DecodeError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const mp::ByteView rest = std::as_bytes(std::span{data + 1, size - 1});
  if (data[0] % 2 == 0) {
    const mp::SharedMemory block{mp::create, rest.size()};
    std::ranges::copy(rest, block.buf().begin());
    read_all(block);
    block.unlink();
    return 0;
  }
  const mp::ShareableList honest{7, 1.5, true, nullptr, "text", mp::Bytes(9)};
  const mp::MutableByteView bytes = honest.shm().buf();
  for (std::size_t i = 0; i + 1 < rest.size(); i += 2) {
    bytes[std::to_integer<std::size_t>(rest[i]) % bytes.size()] = rest[i + 1];
  }
  read_all(honest.shm());
  honest.shm().unlink();
  return 0;
}
