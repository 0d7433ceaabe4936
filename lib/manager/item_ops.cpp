// SPDX-License-Identifier: Apache-2.0
#include "manager/item_ops.hpp"

#include "mp/errors/error.hpp"

namespace mp::manager {

namespace {

const mp::detail::ItemOps& ops_of(std::uint64_t tag, const char* verb) {
  const mp::detail::ItemOps* ops = mp::detail::find_item_ops(tag);
  if (ops == nullptr) {
    throw UsageError{
        std::string{"the program that serves does not know the type whose values are to be "} +
        verb};
  }
  return *ops;
}

const mp::detail::ItemOps& number_ops(std::uint64_t tag) {
  const mp::detail::ItemOps& ops = ops_of(tag, "added");
  if (ops.add == nullptr) {
    throw UsageError{"only numbers can be incremented"};
  }
  return ops;
}

}  // namespace

void expect_number(std::uint64_t tag) {
  (void)number_ops(tag);
}

const mp::detail::ItemOps& expect_order(std::uint64_t tag) {
  const mp::detail::ItemOps& ops = ops_of(tag, "sorted");
  if (ops.sorted == nullptr) {
    throw UsageError{"values of this type have no order to sort them by"};
  }
  return ops;
}

void add_to(Item& item, const Item& amount) {
  const Bytes sum = number_ops(item.tag).add(item.view(), amount.view());
  item.bytes.assign(reinterpret_cast<const char*>(sum.data()), sum.size());
}

}  // namespace mp::manager
