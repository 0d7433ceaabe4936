// SPDX-License-Identifier: Apache-2.0
// The first byte chooses a type, the rest is its encoding. Whatever the bytes are: a value or
// DecodeError, in bounded memory; and a value that was taken is written and read again.
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>

#include "mp/codec.hpp"
#include "mp/errors.hpp"

#include "codec/samples.hpp"
#include "fuzz/codec/memory_meter.hpp"

namespace {

using mp::test::Arrays;
using mp::test::Deep;
using mp::test::Empty;
using mp::test::Mixed;
using mp::test::Tree;

template <class T>
void take(mp::ByteView bytes) {
  mp::fuzz::expect_bounded(bytes.size(), [bytes] {
    mp::Reader in{bytes, nullptr, mp::fuzz::kLimits};
    try {
      (void)mp::read<T>(in);
    } catch (const mp::DecodeError&) {
    }
  });
  try {
    mp::Reader in{bytes};
    const T value = mp::read<T>(in);
    const mp::Bytes again = mp::encode(value);
    (void)mp::decode<T>(again);
  } catch (const mp::DecodeError&) {
  }
}

using Take = void (*)(mp::ByteView);
constexpr Take kTakes[] = {
    &take<bool>,
    &take<long double>,
    &take<std::string>,
    &take<std::u16string>,
    &take<std::vector<std::string>>,
    &take<std::vector<std::vector<std::vector<char>>>>,
    &take<std::vector<bool>>,
    &take<std::vector<Empty>>,
    &take<std::list<std::deque<std::forward_list<int>>>>,
    &take<std::map<std::string, std::multimap<int, std::string>>>,
    &take<std::set<std::vector<std::uint8_t>>>,
    &take<std::multiset<std::uint8_t>>,
    &take<std::unordered_map<std::string, std::unordered_set<int>>>,
    &take<std::unordered_multimap<std::uint8_t, std::unordered_multiset<std::uint8_t>>>,
    &take<std::vector<std::optional<std::array<char, 4096>>>>,
    &take<std::variant<std::monostate, std::string, std::vector<std::variant<int, bool>>>>,
    &take<std::tuple<bool, std::string, std::pair<std::vector<double>, char>>>,
    &take<std::vector<std::unique_ptr<std::string>>>,
    &take<Deep>,
    &take<Tree>,
    &take<Mixed>,
    &take<Arrays>,
    &take<std::vector<Mixed>>,
    &take<std::filesystem::path>,
    &take<std::vector<std::error_code>>,
    &take<std::bitset<77>>,
    &take<std::vector<std::complex<long double>>>,
    &take<std::vector<std::chrono::year_month_day>>,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size != 0) {
    kTakes[data[0] % std::size(kTakes)](std::as_bytes(std::span{data + 1, size - 1}));
  }
  return 0;
}
