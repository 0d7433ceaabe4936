// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/error_code.hpp — std::error_code of the categories that every process has.
#pragma once

#include <system_error>

#include "mp/base/export.hpp"
#include "mp/codec/traits.hpp"

namespace mp {

namespace detail {

// The number of a category on the wire. Throws UsageError when it is not generic, system, mp,
// iostream or future.
[[nodiscard]] MP_API std::uint8_t category_number(const std::error_category& category);
// Returns nullptr for a number that no category has.
[[nodiscard]] MP_API const std::error_category* category_of(std::uint8_t number) noexcept;

}  // namespace detail

template <>
struct codec<std::error_code> {
  static constexpr std::string_view kName = "error_code";
  static constexpr std::size_t kMinSize = sizeof(std::uint8_t) + sizeof(std::int32_t);
  static constexpr bool kFixed = true;

  static void write(auto& out, const std::error_code& value) {
    out.write_raw(detail::category_number(value.category()));
    out.write_raw(static_cast<std::int32_t>(value.value()));
  }
  static std::error_code read(Reader& in) {
    const std::error_category* const category = detail::category_of(in.read_raw<std::uint8_t>());
    if (category == nullptr) {
      in.fail("an error_code has an unknown category");
    }
    return {in.read_raw<std::int32_t>(), *category};
  }
};

}  // namespace mp
