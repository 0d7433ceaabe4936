// SPDX-License-Identifier: Apache-2.0
// manager/item_ops.hpp — what the server can do with values of which it knows only the type's tag.
//
// Throws: UsageError, where the program that serves does not know the type, or the type cannot.
#pragma once

#include <cstdint>

#include "manager/served.hpp"

namespace mp::manager {

// Values of the type can be added.
void expect_number(std::uint64_t tag);
// Values of the type can be sorted.
[[nodiscard]] const mp::detail::ItemOps& expect_order(std::uint64_t tag);
// item += amount; both are of the item's type.
void add_to(Item& item, const Item& amount);
// Applies the function that the argument of `call` at `index` names, to the arguments behind it.
void modify(Item& item, Call& call, std::size_t index);

}  // namespace mp::manager
