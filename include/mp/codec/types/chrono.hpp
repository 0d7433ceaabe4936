// SPDX-License-Identifier: Apache-2.0
// mp/codec/types/chrono.hpp — durations, time points and calendar dates.
//
// A steady_clock time point means the same in every process of the machine, and nothing elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "mp/codec/traits.hpp"
#include "mp/codec/type_tag.hpp"

namespace mp {

template <class Rep, class Period>
struct codec<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static constexpr std::string_view kName = "duration";
  static constexpr std::uint64_t kSalt = detail::mix_tags(Period::num, Period::den);
  using Parts = CodecParts<Rep>;
  static constexpr std::size_t kMinSize = detail::kMinSizeOf<Rep>;
  static constexpr bool kFixed = detail::kFixedSize<Rep>;
  static constexpr bool kDense = detail::kDenseType<Rep>;

  static void write(auto& out, const Duration& value) { mp::write(out, value.count()); }
  static Duration read(Reader& in) { return Duration{mp::read<Rep>(in)}; }
  static std::string type_name() {
    return "duration<" + detail::name_of<Rep>() + ", " + std::to_string(Period::num) + "/" +
           std::to_string(Period::den) + ">";
  }
};

template <class Clock, class Duration>
struct codec<std::chrono::time_point<Clock, Duration>> {
  using TimePoint = std::chrono::time_point<Clock, Duration>;
  static constexpr std::string_view kName =
      std::is_same_v<Clock, std::chrono::system_clock>   ? "system_clock::time_point"
      : std::is_same_v<Clock, std::chrono::steady_clock> ? "steady_clock::time_point"
                                                         : "time_point";
  using Parts = CodecParts<Duration>;
  static constexpr std::size_t kMinSize = detail::kMinSizeOf<Duration>;
  static constexpr bool kFixed = detail::kFixedSize<Duration>;
  static constexpr bool kDense = detail::kDenseType<Duration>;

  static void write(auto& out, const TimePoint& value) { mp::write(out, value.time_since_epoch()); }
  static TimePoint read(Reader& in) { return TimePoint{mp::read<Duration>(in)}; }
};

namespace detail {

// A date is a few small numbers of which every combination is a value, if not always ok().
template <class T, std::size_t kBytes>
struct DateCodec {
  static_assert(sizeof(T) == kBytes && std::is_trivially_copyable_v<T>);
  static constexpr std::size_t kMinSize = kBytes;
  static constexpr bool kFixed = true;
  static constexpr bool kDense = true;
  static void write(auto& out, const T& value) { out.write_raw(value); }
  static T read(Reader& in) { return in.read_raw<T>(); }
};

}  // namespace detail

template <>
struct codec<std::chrono::day> : detail::DateCodec<std::chrono::day, 1> {
  static constexpr std::string_view kName = "day";
};
template <>
struct codec<std::chrono::month> : detail::DateCodec<std::chrono::month, 1> {
  static constexpr std::string_view kName = "month";
};
template <>
struct codec<std::chrono::year> : detail::DateCodec<std::chrono::year, 2> {
  static constexpr std::string_view kName = "year";
};
template <>
struct codec<std::chrono::weekday> : detail::DateCodec<std::chrono::weekday, 1> {
  static constexpr std::string_view kName = "weekday";
};
template <>
struct codec<std::chrono::month_day> : detail::DateCodec<std::chrono::month_day, 2> {
  static constexpr std::string_view kName = "month_day";
};
template <>
struct codec<std::chrono::year_month_day> : detail::DateCodec<std::chrono::year_month_day, 4> {
  static constexpr std::string_view kName = "year_month_day";
};

}  // namespace mp
