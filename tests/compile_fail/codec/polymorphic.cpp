// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"
#include "mp/codec/types/memory.hpp"

struct Base {
  virtual ~Base() = default;
};
struct Final final : Base {};
template <>
struct mp::codec<Base> {
  static constexpr std::string_view kName = "Base";
  static void write(auto&, const Base&) {}
  static Base read(mp::Reader&) { return {}; }
};
template <>
struct mp::codec<Final> {
  static constexpr std::string_view kName = "Final";
  static void write(auto&, const Final&) {}
  static Final read(mp::Reader&) { return {}; }
};
#ifdef MP_MUST_FAIL
using Sent = std::unique_ptr<Base>;
#else
using Sent = std::unique_ptr<Final>;
#endif

Sent receive(mp::ByteView bytes) {
  return mp::decode<Sent>(bytes);
}
