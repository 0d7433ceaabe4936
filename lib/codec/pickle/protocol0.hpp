// SPDX-License-Identifier: Apache-2.0
// codec/pickle/protocol0.hpp — values as protocols 0 and 1 write them: as lines of text.
//
// Each returns nothing when the text is not what it should be.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mp/codec/pickle/value.hpp"

namespace mp::pickle::detail {

// "-12", or "-12L"; "00" and "01" are False and True where `may_be_bool`. Not more than
// kMostDigits.
[[nodiscard]] std::optional<Value> integer_of(std::string_view text, bool may_be_bool);
[[nodiscard]] std::optional<double> real_of(std::string_view text);
// A str with \uXXXX, \UXXXXXXXX for what is not Latin-1; the rest is Latin-1.
[[nodiscard]] std::optional<std::string> unescaped_text(std::string_view text);
// A string of Python 2 in quotes, with its escapes.
[[nodiscard]] std::optional<std::string> unquoted(std::string_view text);
// UTF-8 of Latin-1.
[[nodiscard]] std::string from_latin1(std::string_view text);
// Latin-1 of UTF-8; nothing where a character is beyond it.
[[nodiscard]] std::optional<std::string> to_latin1(std::string_view text);

// As in Python: reading more takes time that grows with the square.
inline constexpr std::size_t kMostDigits = 4300;

}  // namespace mp::pickle::detail
