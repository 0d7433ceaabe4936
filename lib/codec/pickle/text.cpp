// SPDX-License-Identifier: Apache-2.0
// What Python's repr() and str() show.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "mp/codec/pickle/value.hpp"

namespace mp::pickle {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";

// Text that is cut when it becomes too long.
class Text {
 public:
  explicit Text(std::size_t limit) noexcept : limit_{limit} {}
  [[nodiscard]] bool full() const noexcept { return text_.size() > limit_; }
  void add(std::string_view more) {
    if (!full()) {
      text_.append(more.substr(0, limit_ + 1 - std::min(limit_, text_.size())));
    }
  }
  [[nodiscard]] std::string take() && {
    if (full()) {
      while (!text_.empty() && (static_cast<unsigned char>(text_.back()) & 0xc0U) == 0x80) {
        text_.pop_back();
      }
      text_ += "...";
    }
    return std::move(text_);
  }

 private:
  std::string text_;
  std::size_t limit_;
};

std::string hex_escape(unsigned char byte) {
  return {'\\', 'x', kHex[byte >> 4U], kHex[byte & 15U]};
}

void add_quoted(Text& out, std::string_view text, bool is_text) {
  const bool apostrophe =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = apostrophe ? '"' : '\'';
  out.add({&quote, 1});
  for (const char c : text) {
    if (out.full()) {
      return;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      out.add("\\");
      out.add({&c, 1});
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out.add(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
    } else if (byte < 0x20 || byte == 0x7f || (byte > 0x7f && !is_text)) {
      out.add(hex_escape(byte));
    } else {
      out.add({&c, 1});
    }
  }
  out.add({&quote, 1});
}

std::string real_text(double number) {
  if (std::isnan(number)) {
    return "nan";
  }
  if (std::isinf(number)) {
    return number < 0 ? "-inf" : "inf";
  }
  constexpr double kLargest = 1e16;  // from there on Python writes an exponent
  constexpr double kSmallest = 1e-4;
  const bool plain = number == 0 || (std::abs(number) < kLargest && std::abs(number) >= kSmallest);
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.begin(), buffer.end(), number,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  std::string text(buffer.begin(), end);
  if (plain && text.find('.') == std::string::npos) {
    text += ".0";
  }
  return text;
}

std::string big_integer_text(ByteView bytes) {
  std::string text = "0x";
  for (std::size_t i = bytes.size(); i-- > 0;) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    text += kHex[byte >> 4U];
    text += kHex[byte & 15U];
  }
  return text;
}

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void add(Text& out, const Value& value);

void add_all(Text& out, const Items& items) {
  const char* between = "";
  for (const Value& item : items) {
    if (out.full()) {
      return;
    }
    out.add(between);
    add(out, item);
    between = ", ";
  }
}

void add_pairs(Text& out, const Pairs& pairs) {
  const char* between = "";
  for (const auto& [key, item] : pairs) {
    if (out.full()) {
      return;
    }
    out.add(between);
    add(out, key);
    out.add(": ");
    add(out, item);
    between = ", ";
  }
}

void add_object(Text& out, const Object& object) {
  if (object.type.kind() == Kind::global) {
    const Global& type = object.type.as_global();
    if (type.module != "builtins") {
      out.add(type.module);
      out.add(".");
    }
    out.add(type.name);
  } else {
    add(out, object.type);
  }
  out.add("(");
  add_all(out, object.args.items());
  out.add(")");
}

void add(Text& out, const Value& value) {
  switch (value.kind()) {
    case Kind::none:
      out.add("None");
      break;
    case Kind::boolean:
      out.add(value.as_bool() ? "True" : "False");
      break;
    case Kind::integer:
      out.add(std::to_string(value.as_int()));
      break;
    case Kind::real:
      out.add(real_text(value.as_real()));
      break;
    case Kind::big_integer:
      out.add(big_integer_text(value.as_bytes()));
      break;
    case Kind::string:
      add_quoted(out, value.as_string(), true);
      break;
    case Kind::bytes:
      out.add("b");
      add_quoted(out, as_text(value.as_bytes()), false);
      break;
    case Kind::byte_array:
      out.add("bytearray(b");
      add_quoted(out, as_text(value.as_bytes()), false);
      out.add(")");
      break;
    case Kind::list:
      out.add("[");
      add_all(out, value.items());
      out.add("]");
      break;
    case Kind::tuple:
      out.add("(");
      add_all(out, value.items());
      out.add(value.items().size() == 1 ? ",)" : ")");
      break;
    case Kind::dict:
      out.add("{");
      add_pairs(out, value.pairs());
      out.add("}");
      break;
    case Kind::set:
      out.add(value.items().empty() ? "set(" : "{");
      add_all(out, value.items());
      out.add(value.items().empty() ? ")" : "}");
      break;
    case Kind::frozen_set:
      out.add(value.items().empty() ? "frozenset(" : "frozenset({");
      add_all(out, value.items());
      out.add(value.items().empty() ? ")" : "})");
      break;
    case Kind::global:
      out.add("<global ");
      out.add(value.as_global().module);
      out.add(".");
      out.add(value.as_global().name);
      out.add(">");
      break;
    case Kind::object:
      add_object(out, value.as_object());
      break;
  }
}

}  // namespace

std::string Value::repr(std::size_t limit) const {
  Text out{limit};
  add(out, *this);
  return std::move(out).take();
}

std::string Value::str() const {
  return kind_ == Kind::string ? as_string() : repr();
}

}  // namespace mp::pickle
