// SPDX-License-Identifier: Apache-2.0
// shared/shareable_list_layout.hpp — the bytes of CPython's ShareableList, native order, N items.
//
//   0              8                8 (N + 2)           + T               + 8 N        + N
//   +--------------+----------------+-------------------+----------------+------------+
//   | int64 N      | int64 offset   | data              | 8 characters   | int8 code  |
//   |              | [N + 1]        | T bytes           | format[N]      | [N]        |
//   +--------------+----------------+-------------------+----------------+------------+
//
// offset[i] counts from the begin of the data; offset[N] is T. The room of item i is what lies
// between two offsets. A format is one of struct's, with zeroes behind it:
//
//   int    "q"          int64            code 0
//   float  "d"          double           code 0
//   bool   "xxxxxxx?"   byte 7           code 0
//   None   "xxxxxx?x"   eight bytes      code 3
//   str    "<n>s"       n bytes, UTF-8   code 1      zeroes at the end are padding
//   bytes  "<n>s"       n bytes          code 2      likewise
//
// CPython writes for <n> the room of the item, and keeps what it finds there. Here a value that
// ends in zeroes gets its exact length, and an <n> less than the room is taken as exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "mp/base/bytes.hpp"

namespace mp::layout {

inline constexpr std::size_t kListWord = 8;    // of N and the offsets
inline constexpr std::size_t kListFormat = 8;  // characters
inline constexpr std::size_t kListCode = 1;
inline constexpr std::size_t kListLongest = 9'999'999;  // what fits into a format
inline constexpr std::size_t kBoolByte = 7;

enum class ListCode : std::int8_t { number = 0, text = 1, bytes = 2, none = 3 };

// Where things are in a list of `count` items with `total` bytes of data.
struct ListPlaces {
  std::uint64_t count;
  std::uint64_t total;
  [[nodiscard]] constexpr std::uint64_t data() const noexcept { return (count + 2) * kListWord; }
  [[nodiscard]] constexpr std::uint64_t format(std::uint64_t i) const noexcept {
    return data() + total + i * kListFormat;
  }
  [[nodiscard]] constexpr std::uint64_t code(std::uint64_t i) const noexcept {
    return format(count) + i * kListCode;
  }
  [[nodiscard]] constexpr std::uint64_t size() const noexcept { return code(count); }
};

// What a format says.
struct ListFormat {
  enum class Kind : std::uint8_t { integer, real, boolean, none, text } kind;
  std::uint64_t length = 0;  // of text
};
// Nothing if it is no format of such a list.
[[nodiscard]] std::optional<ListFormat> parse_list_format(std::string_view format) noexcept;

}  // namespace mp::layout
