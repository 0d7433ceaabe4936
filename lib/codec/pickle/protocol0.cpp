// SPDX-License-Identifier: Apache-2.0
#include "codec/pickle/protocol0.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "codec/pickle/node.hpp"

namespace mp::pickle::detail {

namespace {

void append_utf8(std::string& out, std::uint32_t code) {
  const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0U | code >> 6U);
    add(0x80U | (code & 0x3fU));
  } else if (code < 0x10000) {
    add(0xe0U | code >> 12U);
    add(0x80U | (code >> 6U & 0x3fU));
    add(0x80U | (code & 0x3fU));
  } else {
    add(0xf0U | code >> 18U);
    add(0x80U | (code >> 12U & 0x3fU));
    add(0x80U | (code >> 6U & 0x3fU));
    add(0x80U | (code & 0x3fU));
  }
}

std::optional<std::uint32_t> hex_of(std::string_view text) {
  std::uint32_t code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code, 16);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return code;
}

Value big_integer_of(std::string_view digits, bool negative) {
  std::vector<std::uint32_t> words;  // lowest first
  for (const char digit : digits) {
    std::uint64_t carry = static_cast<std::uint64_t>(digit - '0');
    for (std::uint32_t& word : words) {
      carry += std::uint64_t{word} * 10;
      word = static_cast<std::uint32_t>(carry);
      carry >>= 32U;
    }
    if (carry != 0) {
      words.push_back(static_cast<std::uint32_t>(carry));
    }
  }
  words.push_back(0);  // room for the sign
  if (negative) {
    std::uint64_t carry = 1;
    for (std::uint32_t& word : words) {
      carry += static_cast<std::uint32_t>(~word);
      word = static_cast<std::uint32_t>(carry);
      carry >>= 32U;
    }
  }
  return make_integer(std::as_bytes(std::span{words}));
}

}  // namespace

std::optional<Value> integer_of(std::string_view text, bool may_be_bool) {
  if (may_be_bool && (text == "00" || text == "01")) {
    return Value{text == "01"};
  }
  if (!may_be_bool && text.ends_with('L')) {
    text.remove_suffix(1);
  }
  const bool negative = text.starts_with('-');
  text.remove_prefix(negative ? 1 : 0);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || text.size() > kMostDigits ||
      !std::all_of(text.begin(), text.end(), is_digit)) {
    return std::nullopt;
  }
  return big_integer_of(text, negative);
}

std::optional<double> real_of(std::string_view text) {
  text.remove_prefix(text.starts_with('+') ? 1 : 0);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

std::optional<std::string> unescaped_text(std::string_view text) {
  constexpr std::size_t kShort = 4;
  constexpr std::size_t kLong = 8;
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 'u' || text[i + 1] == 'U');
    if (!escape) {
      append_utf8(out, static_cast<unsigned char>(text[i]));
      continue;
    }
    const std::size_t digits = text[i + 1] == 'u' ? kShort : kLong;
    if (text.size() - i - 2 < digits) {
      return std::nullopt;
    }
    const auto code = hex_of(text.substr(i + 2, digits));
    if (!code || *code > 0x10ffff) {
      return std::nullopt;
    }
    append_utf8(out, *code);
    i += 1 + digits;
  }
  return out;
}

std::optional<std::string> unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back() ||
      (text.front() != '\'' && text.front() != '"')) {
    return std::nullopt;
  }
  text = text.substr(1, text.size() - 2);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) {
      return std::nullopt;
    }
    constexpr std::string_view kLetters = "nrtabfv\\'\"";
    constexpr std::string_view kMeanings = "\n\r\t\a\b\f\v\\'\"";
    if (const std::size_t at = kLetters.find(text[i]); at != std::string_view::npos) {
      out += kMeanings[at];
    } else if (text[i] == 'x' && text.size() - i > 2 && hex_of(text.substr(i + 1, 2))) {
      out += static_cast<char>(*hex_of(text.substr(i + 1, 2)));
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::string from_latin1(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    append_utf8(out, static_cast<unsigned char>(c));
  }
  return out;
}

std::optional<std::string> to_latin1(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      out += text[i];
    } else if (lead <= 0xc3 && i + 1 < text.size()) {
      const auto next = static_cast<unsigned char>(text[++i]);
      out += static_cast<char>((lead & 3U) << 6U | (next & 0x3fU));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace mp::pickle::detail
