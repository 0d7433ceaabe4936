// SPDX-License-Identifier: Apache-2.0
// Bytes that claim to be a pickle: a Value or DecodeError, in bounded memory. What was taken is
// walked through in each way there is, written, and read again as the same.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "mp/codec.hpp"
#include "mp/codec/pickle.hpp"
#include "mp/codec/pickle/exception.hpp"
#include "mp/errors.hpp"

#include "fuzz/codec/memory_meter.hpp"

namespace {

using mp::pickle::Value;

struct Leaf {
  int number = 0;
  std::string text;
};
using Any = std::variant<std::monostate, bool, std::int64_t, double, std::string, mp::Bytes,
                         std::vector<std::string>, std::map<std::string, int>, Leaf>;

template <class T>
void convert(const Value& value) {
  try {
    (void)mp::pickle::from(mp::pickle::to<T>(value));
  } catch (const mp::CodecError&) {
  } catch (const mp::UsageError&) {  // a year that Python has no date for
  }
}

void use(const Value& value) {
  if (value.depth() > mp::pickle::kMaxDepth) {
    std::abort();
  }
  (void)value.repr(1000);
  const std::size_t hash = value.hash();
  const mp::Bytes written = mp::pickle::encode(value);
  const Value again = mp::pickle::decode(written);
  // By their bytes: a NaN is not equal to itself.
  if (mp::pickle::encode(again) != written || again.hash() != hash) {
    std::abort();
  }
  (void)(again == value);
  convert<Any>(value);
  convert<std::vector<std::vector<Any>>>(value);
  convert<std::map<std::string, std::vector<std::uint8_t>>>(value);
  convert<std::chrono::nanoseconds>(value);
  convert<std::chrono::sys_time<std::chrono::microseconds>>(value);
  (void)mp::pickle::to_exception(value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const mp::ByteView bytes = std::as_bytes(std::span{data, size});
  constexpr mp::DecodeLimits kTight{.depth = mp::pickle::kMaxDepth,
                                    .slack = mp::fuzz::kLimits.slack,
                                    .factor = mp::fuzz::kLimits.factor};
  mp::fuzz::expect_bounded(size, [bytes, kTight] {
    try {
      (void)mp::pickle::decode(bytes, kTight);
    } catch (const mp::DecodeError&) {
    }
  });
  try {
    // Little slack: what is walked through many times should not be large.
    use(mp::pickle::decode(bytes, kTight));
  } catch (const mp::DecodeError&) {
  }
  return 0;
}
