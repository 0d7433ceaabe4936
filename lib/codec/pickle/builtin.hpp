// SPDX-License-Identifier: Apache-2.0
// codec/pickle/builtin.hpp — calls in a pickle that stand for plain data.
#pragma once

#include <optional>
#include <string>

#include "mp/codec/pickle/value.hpp"

namespace mp::pickle::detail {

// Names that moved: those of Python 2, which protocols 0 to 2 write, and the C half of queue.
void rename(Global& global);

// Returns the set, frozenset, list, bytes or bytearray that the call makes, a new one; nothing if
// it makes anything else. Expects: the arguments are a tuple.
[[nodiscard]] std::optional<Value> builtin_call(const Value& type, const Value& args);

}  // namespace mp::pickle::detail
