// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"

class Opaque {
 public:
  explicit Opaque(int x) : x_{x} {}
  int x() const { return x_; }

 private:
  int x_;
};
template <>
struct mp::codec<Opaque> {
#ifndef MP_MUST_FAIL
  static constexpr std::string_view kName = "Opaque";
#endif
  static void write(auto& out, const Opaque& value) {
    mp::write(out, value.x());
  }
  static Opaque read(mp::Reader& in) {
    return Opaque{mp::read<int>(in)};
  }
};

mp::Bytes send(const Opaque& value) {
  return mp::encode(value);
}
