// SPDX-License-Identifier: Apache-2.0
// mp/codec/type_tag.hpp — 64 bits that say what type a message holds.
//
// type_tag<T>() is built from structure: the kind of type, the size and sign of numbers, the tags
// of elements and fields, the kName of a user's codec. It never depends on how a compiler spells a
// name, so g++ and clang agree. Two structs with the same fields in the same order have the same
// tag, as they have the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "mp/base/export.hpp"
#include "mp/codec/codable.hpp"

namespace mp {

namespace detail {

constexpr std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  return hash;
}

constexpr std::uint64_t mix_tags(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = (a ^ (b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2))) * 0xff51afd7ed558ccdu;
  return (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
}

template <class T, class... Outer>
consteval std::uint64_t tag_of();

template <class... Outer, class... P>
consteval std::uint64_t tag_of_parts(std::uint64_t tag, CodecParts<P...>) {
  ((tag = mix_tags(tag, tag_of<P, Outer...>())), ...);
  return mix_tags(tag, sizeof...(P));
}

template <class T, class... Outer>
consteval std::uint64_t tag_of_back_reference() {
  std::uint64_t levels = 0;
  (void)((++levels, std::is_same_v<T, Outer>) || ... || false);
  return mix_tags(hash_text("self"), levels);
}

template <class T, class... Outer>
consteval std::uint64_t tag_of() {
  if constexpr ((std::is_same_v<T, Outer> || ... || false)) {
    return tag_of_back_reference<T, Outer...>();
  } else if constexpr (std::is_array_v<T>) {
    return mix_tags(mix_tags(hash_text("T[]"), std::extent_v<T>),
                    tag_of<std::remove_cv_t<std::remove_extent_t<T>>, Outer...>());
  } else {
    std::uint64_t tag = hash_text(codec<T>::kName);
    if constexpr (requires { codec<T>::kSalt; }) {
      tag = mix_tags(tag, codec<T>::kSalt);
    }
    if constexpr (requires { codec<T>::kAggregate; }) {
      return tag_of_parts<T, Outer...>(tag, typename PartsOf<T>::type{});
    } else {
      return tag_of_parts<Outer...>(tag, typename PartsOf<T>::type{});
    }
  }
}

template <class T>
inline constexpr std::uint64_t kTypeTag = tag_of<T>();

// The compiler's spelling of T: for people only.
template <class T>
constexpr std::string_view spelled_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  return text.substr(0, text.find_last_of(']')).substr(0, text.find(';'));
}

template <class T>
std::string name_of();

template <class... P>
std::string name_of_parts(std::string_view name, CodecParts<P...>) {
  std::string text{name};
  if constexpr (sizeof...(P) != 0) {
    const char* before = "<";
    ((text.append(before).append(name_of<P>()), before = ", "), ...);
    text += '>';
  }
  return text;
}

template <class T>
std::string name_of() {
  if constexpr (std::is_array_v<T> || requires { codec<T>::kAggregate; } || std::is_enum_v<T> ||
                enable_raw_codec<T> || EmptyClass<T>) {
    return std::string{spelled_name<T>()};
  } else if constexpr (requires { codec<T>::type_name(); }) {
    return codec<T>::type_name();
  } else {
    return name_of_parts(codec<T>::kName, typename PartsOf<T>::type{});
  }
}

// The types this program can send or receive, by tag, so that TypeMismatch can name what came. One
// node for each, made during static initialisation; no memory is allocated.
struct MP_API TypeEntry {
  TypeEntry(std::uint64_t the_tag, std::string (*the_name)()) noexcept;
  std::uint64_t tag;
  std::string (*name)();
  TypeEntry* next;
};

template <class T>
inline TypeEntry type_entry{kTypeTag<T>, &name_of<T>};

// The name of a type of this program, or its tag in hex.
[[nodiscard]] MP_API std::string name_of_tag(std::uint64_t tag);

}  // namespace detail

// Returns the tag with which a message that holds a T begins.
template <class T>
[[nodiscard]] consteval std::uint64_t type_tag() {
  detail::require_codable<T>();
  return detail::kTypeTag<T>;
}

// Returns a name of T for people: "vector<int>", "shop::Order".
template <class T>
[[nodiscard]] std::string type_name() {
  detail::require_codable<T>();
  return detail::name_of<T>();
}

}  // namespace mp
