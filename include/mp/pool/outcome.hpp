// SPDX-License-Identifier: Apache-2.0
// mp/pool/outcome.hpp — a result, or the exception that came instead.
//
//     for (const mp::Outcome<int>& y : pool.map(f, xs, mp::return_exceptions)) {
//       if (y) use(*y); else log(y.error());
//     }
//
// Threads: a value.
// Throws:  value() what the task threw.
#pragma once

#include <exception>
#include <utility>
#include <variant>

namespace mp {

template <class T>
class Outcome {
 public:
  Outcome(T value)  // NOLINT(google-explicit-constructor): a value is an outcome
      : state_{std::in_place_index<0>, std::move(value)} {}
  explicit Outcome(std::exception_ptr error) : state_{std::in_place_index<1>, std::move(error)} {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  // The result; throws the exception when there is none.
  [[nodiscard]] const T& value() const {
    if (!has_value()) {
      std::rethrow_exception(std::get<1>(state_));
    }
    return std::get<0>(state_);
  }
  const T& operator*() const { return value(); }
  // The exception; null when there is a result.
  [[nodiscard]] std::exception_ptr error() const noexcept {
    return has_value() ? nullptr : *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, std::exception_ptr> state_;
};

// Asks a map for an Outcome of each item, instead of throwing the first exception.
struct ReturnExceptions {};
inline constexpr ReturnExceptions return_exceptions{};

}  // namespace mp
