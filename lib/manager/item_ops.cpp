// SPDX-License-Identifier: Apache-2.0
#include "manager/item_ops.hpp"

#include "mp/errors/error.hpp"
#include "mp/manager/modifier.hpp"

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

// The arguments of a call from some index on.
class Rest final : public mp::detail::ServedCall {
 public:
  Rest(Call& call, std::size_t from) : call_{call}, from_{from} {}
  void expect_arguments(std::size_t count) override { call_.expect(from_ + count); }
  mp::detail::ItemView argument(std::size_t index) override { return call_.view(from_ + index); }
  Carrier* carrier() override { return nullptr; }
  Writer& begin_result(std::uint64_t, std::size_t) override { return result_; }
  void put_object(std::uint64_t, std::shared_ptr<void>) override {}

 private:
  Call& call_;
  std::size_t from_;
  Writer result_;
};

}  // namespace

void modify(Item& item, Call& call, std::size_t index) {
  const auto* modifier = mp::detail::find_modifier(call.get<std::uint64_t>(index), item.tag);
  if (modifier == nullptr) {
    throw UsageError{"the program that serves does not know the function that is to modify"};
  }
  if (!item.objects.empty()) {
    throw UsageError{"a value that is a proxy cannot be modified"};
  }
  Rest rest{call, index + 1};
  const Bytes made = modifier->apply(item.view(), rest);
  item.bytes.assign(reinterpret_cast<const char*>(made.data()), made.size());
}

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
