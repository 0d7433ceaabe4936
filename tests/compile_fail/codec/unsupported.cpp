// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"
#include "mp/codec/types/vector.hpp"

class Opaque {
 public:
  explicit Opaque(int x) : x_{x} {}
  int x() const { return x_; }

 private:
  int x_;
};
#ifndef MP_MUST_FAIL
template <>
struct mp::codec<Opaque> {
  static constexpr std::string_view kName = "Opaque";
  static void write(auto& out, const Opaque& value) { mp::write(out, value.x()); }
  static Opaque read(mp::Reader& in) { return Opaque{mp::read<int>(in)}; }
};
#endif

std::vector<Opaque> receive(mp::ByteView bytes) {
  return mp::decode<std::vector<Opaque>>(bytes);
}
