// SPDX-License-Identifier: Apache-2.0
// codec/pickle/node.hpp — what a Value points to when it has more than a word.
//
// Invariants
//  V1 A node changes only while nobody but its maker can see it: the decoder changes a list that is
//     not part of anything yet (`frozen` is false), and no other.
//  V2 So a node cannot come to contain itself, and its depth and weight, once it is a part, stay.
//  V3 depth <= kMaxDepth, whoever made it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/codec/pickle/value.hpp"

namespace mp::pickle::detail {

struct Node {
  std::atomic<std::size_t> references{1};
  std::uint64_t weight = kNodeWeight;
  std::uint16_t depth = 0;
  bool frozen = false;

  // What a value counts for beside its bytes and parts.
  static constexpr std::uint64_t kNodeWeight = 16;
};

struct StringNode : Node {
  std::string text;
};
struct BytesNode : Node {
  Bytes bytes;
};
struct ItemsNode : Node {
  Items items;
};
struct PairsNode : Node {
  Pairs pairs;
};
struct GlobalNode : Node {
  Global global;
};
struct ObjectNode : Node {
  Object object;
};

// The decoder's key to Value.
struct Access {
  static Value make(Kind kind, Node* node) noexcept { return Value{kind, node}; }
  static bool has_node(const Value& value) noexcept { return value.has_node(); }
  // Expects: the kind has a node, of type N.
  template <class N = Node>
  static N& node(const Value& value) noexcept {
    return static_cast<N&>(*value.as_.node);
  }
  static std::uint64_t weight(const Value& value) noexcept {
    return value.has_node() ? value.as_.node->weight : Node::kNodeWeight;
  }
  static std::size_t depth(const Value& value) noexcept {
    return value.has_node() ? value.as_.node->depth : 0;
  }
};

// Counts `part` as a part of `whole`. Returns false when the whole would be too deep.
[[nodiscard]] bool add_part(Node& whole, const Value& part) noexcept;
// Whether text is UTF-8, where the halves of surrogate pairs may stand alone, as in Python.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;
// An int from two's complement, lowest byte first, as short as it can be.
[[nodiscard]] Value make_integer(ByteView bytes);

}  // namespace mp::pickle::detail
