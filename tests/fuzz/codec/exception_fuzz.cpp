// SPDX-License-Identifier: Apache-2.0
// Bytes that claim to be an exception. The first byte chooses whether they are taken as they are,
// or as the part after an honest beginning, which the fuzzer would rarely find.
#include <cstdint>
#include <stdexcept>
#include <string>

#include "mp/codec.hpp"
#include "mp/errors.hpp"

#include "fuzz/codec/memory_meter.hpp"

namespace {

struct OutOfStock {
  std::string item;
  std::vector<int> shelves;
};
[[maybe_unused]] const bool registered = mp::register_exception<OutOfStock>();

void take(mp::ByteView bytes) {
  try {
    std::exception_ptr error;
    mp::fuzz::expect_bounded(bytes.size(), [&] {
      try {
        error = mp::decode_exception(bytes);
      } catch (...) {
        error = std::current_exception();
      }
    });
    (void)mp::encode_exception(error, {});
    std::rethrow_exception(error);
  } catch (const std::exception& error) {
    (void)std::string{error.what()};
  } catch (const OutOfStock&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const mp::ByteView rest = std::as_bytes(std::span{data + 1, size - 1});
  if (data[0] % 2 == 0) {
    take(rest);
    return 0;
  }
  static const mp::Bytes honest =
      mp::encode_exception(data[0] % 4 == 1 ? std::make_exception_ptr(OutOfStock{})
                                            : std::make_exception_ptr(std::runtime_error{"text"}),
                           {});
  mp::Bytes mixed = honest;
  for (std::size_t i = 0; i + 1 < rest.size(); i += 2) {
    mixed[static_cast<std::size_t>(rest[i]) % mixed.size()] = rest[i + 1];
  }
  take(mixed);
  return 0;
}
