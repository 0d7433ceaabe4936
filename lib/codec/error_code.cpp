// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/types/error_code.hpp"

#include <future>
#include <ios>
#include <string>

#include "mp/errors/error.hpp"

namespace mp::detail {

namespace {

// Their places in this list are their numbers on the wire.
using CategoryFunction = const std::error_category& (*)();
constexpr CategoryFunction kCategories[] = {
    []() -> const std::error_category& { return std::generic_category(); },
    []() -> const std::error_category& { return std::system_category(); },
    []() -> const std::error_category& { return mp::error_category(); },
    []() -> const std::error_category& { return std::iostream_category(); },
    []() -> const std::error_category& { return std::future_category(); },
};

}  // namespace

std::uint8_t category_number(const std::error_category& category) {
  std::uint8_t number = 0;
  for (const CategoryFunction known : kCategories) {
    if (known() == category) {
      return number;
    }
    ++number;
  }
  throw UsageError{std::string{"an error_code of category "} + category.name() +
                   " cannot be sent: no other process need have it"};
}

const std::error_category* category_of(std::uint8_t number) noexcept {
  return number < std::size(kCategories) ? &kCategories[number]() : nullptr;
}

}  // namespace mp::detail
