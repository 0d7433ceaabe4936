// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/vector.hpp — std::vector: a count and the elements, in one copy where they are
// dense.
#pragma once

#include <vector>

#include "mp/codec/traits.hpp"

namespace mp {

template <class T, class A>
struct codec<std::vector<T, A>> {
  using Vector = std::vector<T, A>;
  static constexpr std::string_view kName = "vector";
  using Parts = CodecParts<T>;
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);

  template <class Out>
  static void write(Out& out, const Vector& value) {
    out.write_count(value.size());
    if constexpr (detail::kDenseType<T>) {
      out.write_bytes(value.data(), value.size() * sizeof(T));
    } else if constexpr (Out::kCounts && detail::kFixedSize<T>) {
      out.add(value.size() * detail::kMinSizeOf<T>);
    } else if constexpr (detail::kLeaf<T>) {
      for (const T& element : value) {
        mp::write(out, element);
      }
    } else {
      const detail::Nesting nesting{out};
      for (const T& element : value) {
        mp::write(out, element);
      }
    }
  }

  static Vector read(Reader& in) {
    const std::size_t count = in.read_count(detail::kMinSizeOf<T>, sizeof(T));
    if constexpr (detail::kDenseType<T>) {
      return read_dense(in.read_view(count * sizeof(T)), count);
    } else {
      Vector value;
      value.reserve(count);
      if constexpr (detail::kLeaf<T>) {
        read_elements(in, value, count);
      } else {
        const detail::Nesting nesting{in};
        read_elements(in, value, count);
      }
      return value;
    }
  }

 private:
  static void read_elements(Reader& in, Vector& value, std::size_t count) {
    for (std::size_t i = 0; i != count; ++i) {
      value.push_back(mp::read<T>(in));
    }
  }

  static Vector read_dense(ByteView bytes, std::size_t count) {
    if (count == 0) {
      return {};
    }
    const auto* const first = reinterpret_cast<const T*>(bytes.data());
    if (reinterpret_cast<std::uintptr_t>(first) % alignof(T) == 0) [[likely]] {
      return Vector(first, first + count);  // no zeroing first
    }
    if constexpr (std::is_default_constructible_v<T>) {
      Vector value(count);
      std::memcpy(value.data(), bytes.data(), bytes.size());
      return value;
    } else {
      Vector value;
      value.reserve(count);
      Reader again{bytes};
      read_elements(again, value, count);
      return value;
    }
  }
};

// One bit for each bool.
template <class A>
struct codec<std::vector<bool, A>> {
  using Vector = std::vector<bool, A>;
  static constexpr std::string_view kName = "vector";
  using Parts = CodecParts<bool>;
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);
  static constexpr bool kLeaf = true;

  static void write(auto& out, const Vector& value) {
    out.write_count(value.size());
    for (std::size_t i = 0; i < value.size();) {
      std::uint8_t byte = 0;
      for (unsigned bit = 0; bit != 8 && i != value.size(); ++bit, ++i) {
        byte = static_cast<std::uint8_t>(byte | (unsigned{value[i]} << bit));
      }
      out.write_raw(byte);
    }
  }

  static Vector read(Reader& in) {
    const auto count = in.read_raw<std::uint64_t>();
    if (count / 8 > in.remaining()) {
      in.fail("a vector<bool> is longer than the message");
    }
    in.charge(count / 8 + sizeof(std::uint64_t));
    Vector value(count);
    for (std::size_t i = 0; i < count;) {
      const auto byte = in.read_raw<std::uint8_t>();
      for (unsigned bit = 0; bit != 8 && i != count; ++bit, ++i) {
        value[i] = (byte >> bit & 1u) != 0;
      }
    }
    return value;
  }
};

}  // namespace mp
