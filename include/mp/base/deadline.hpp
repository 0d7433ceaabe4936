// SPDX-License-Identifier: Apache-2.0
// mp/base/deadline.hpp — the moment at which a bounded call gives up.
//
// A timeout is turned into a Deadline once, where a call enters the library; from there on only
// the absolute moment is passed around, so loops and retries never stretch it. It counts on the
// steady clock (CLOCK_MONOTONIC): setting the wall clock moves no Deadline.
//
//     bool Event::wait(Deadline until);
//     event.wait(50ms);                   // any std::chrono duration converts
//     event.wait(Deadline::never());
//
// Zero and negative durations have passed already. Durations too long for the clock (hours::max,
// duration::max, infinity as a float) mean never.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "mp/base/export.hpp"

namespace mp {

class MP_API Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  // The moment that never comes.
  [[nodiscard]] static constexpr Deadline never() noexcept { return Deadline{kNever}; }
  // A moment that has passed: the call may look, and may not wait.
  [[nodiscard]] static constexpr Deadline now() noexcept { return Deadline{0}; }

  // The moment `timeout` from now. Implicit: this is how timeouts enter the library.
  template <class Rep, class Period>
  Deadline(std::chrono::duration<Rep, Period> timeout)  // NOLINT(google-explicit-constructor)
      : ns_{after(clamp(timeout))} {}
  // A moment on the steady clock, for the `_until` forms.
  Deadline(Clock::time_point moment) noexcept  // NOLINT(google-explicit-constructor)
      : ns_{moment == Clock::time_point::max() ? kNever : moment.time_since_epoch().count()} {}

  [[nodiscard]] constexpr bool is_never() const noexcept { return ns_ == kNever; }
  [[nodiscard]] bool passed() const noexcept;
  // Time left, never negative; nanoseconds::max() when the deadline is never().
  [[nodiscard]] std::chrono::nanoseconds remaining() const noexcept;
  // Nanoseconds on CLOCK_MONOTONIC, the form that the kernel takes; INT64_MAX for never().
  [[nodiscard]] constexpr std::int64_t nanoseconds() const noexcept { return ns_; }
  // The earlier of this deadline and `slice` from now.
  [[nodiscard]] Deadline no_later_than(std::chrono::nanoseconds slice) const noexcept;

  friend constexpr auto operator<=>(const Deadline&, const Deadline&) = default;

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  constexpr explicit Deadline(std::int64_t ns) noexcept : ns_{ns} {}

  // Converts any duration to nanoseconds without overflow: too long is max, negative is zero.
  template <class Rep, class Period>
  static constexpr std::chrono::nanoseconds clamp(std::chrono::duration<Rep, Period> timeout) {
    using Seconds = std::chrono::duration<long double>;
    if (!(timeout > std::chrono::duration<Rep, Period>::zero())) {  // NaN counts as passed
      return std::chrono::nanoseconds::zero();
    }
    constexpr Seconds kLongest = std::chrono::hours{24 * 365 * 100};
    if (Seconds{timeout} > kLongest) {
      return std::chrono::nanoseconds::max();
    }
    return std::chrono::ceil<std::chrono::nanoseconds>(timeout);
  }
  static std::int64_t after(std::chrono::nanoseconds timeout) noexcept;

  std::int64_t ns_;
};

}  // namespace mp
