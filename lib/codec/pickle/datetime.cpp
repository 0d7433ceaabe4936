// SPDX-License-Identifier: Apache-2.0
// datetime.timedelta and datetime.datetime, as Python's datetime module pickles them: the one as
// days, seconds and microseconds, the other as ten bytes and perhaps a time zone.
#include <array>
#include <chrono>

#include "mp/codec/pickle/convert.hpp"
#include "mp/errors/error.hpp"

namespace mp::pickle::detail {

namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kMicro = 1'000'000;
constexpr std::int64_t kNanosPerMicro = 1000;
constexpr const char* kModule = "datetime";
constexpr std::size_t kStateSize = 10;
constexpr std::int64_t kMostDays = 999'999'999;  // Python's limit

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) noexcept {
  return a / b - (a % b < 0 ? 1 : 0);
}

bool is(const Value& value, std::string_view name) noexcept {
  return value.kind() == Kind::object && value.as_object().is(kModule, name);
}

std::int64_t offset_of(const Value& zone) {
  if (!is(zone, "timezone") || zone.as_object().args.items().empty()) {
    throw_bad_value("a time zone of a fixed offset", zone);
  }
  return to_span(zone.as_object().args.items().front()).seconds;
}

}  // namespace

void throw_too_long() {
  throw DecodeError{"the time is too long for the type of duration that is to hold it"};
}

Value timedelta(Span span) {
  const std::int64_t days = floor_div(span.seconds, kDay);
  return Value::object(
      kModule, "timedelta",
      {Value{days}, Value{span.seconds - days * kDay}, Value{span.nanoseconds / kNanosPerMicro}});
}

Span to_span(const Value& value) {
  if (is(value, "timedelta")) {
    const Items& parts = to_sequence(value.as_object().args, 3);
    const std::int64_t days = to_int(parts[0], -kMostDays, kMostDays);
    return {days * kDay + to_int(parts[1], -kDay, kDay),
            to_int(parts[2], -kMicro, kMicro) * kNanosPerMicro};
  }
  if (value.kind() == Kind::integer) {
    return {to_int(value, -kMostDays * kDay, kMostDays * kDay), 0};
  }
  if (value.kind() == Kind::real) {
    constexpr double kNanos = 1e9;
    const double number = value.as_real();
    if (!(number >= static_cast<double>(-kMostDays * kDay) &&
          number <= static_cast<double>(kMostDays * kDay))) {
      throw_bad_value("seconds", value);
    }
    const auto seconds = static_cast<std::int64_t>(number);
    return {seconds, static_cast<std::int64_t>((number - static_cast<double>(seconds)) * kNanos)};
  }
  throw_mismatch("datetime.timedelta", value);
}

Value datetime(Span since_epoch) {
  namespace ch = std::chrono;
  const std::int64_t days = floor_div(since_epoch.seconds, kDay);
  const ch::year_month_day date{ch::sys_days{ch::days{days}}};
  const std::int64_t second = since_epoch.seconds - days * kDay;
  const std::int64_t micro = since_epoch.nanoseconds / kNanosPerMicro;
  const int year = static_cast<int>(date.year());
  constexpr int kLastYear = 9999;
  if (days < -kMostDays || days > kMostDays || year < 1 || year > kLastYear) {
    throw UsageError{"Python has no datetime for a year outside 1 to 9999"};
  }
  const auto byte = [](auto number) { return static_cast<std::byte>(number & 0xff); };
  const std::array<std::byte, kStateSize> state = {byte(year >> 8),
                                                   byte(year),
                                                   byte(unsigned{date.month()}),
                                                   byte(unsigned{date.day()}),
                                                   byte(second / 3600),
                                                   byte(second / 60 % 60),
                                                   byte(second % 60),
                                                   byte(micro >> 16),
                                                   byte(micro >> 8),
                                                   byte(micro)};
  return Value::object(kModule, "datetime",
                       {Value::bytes(state), Value::object(kModule, "timezone", {timedelta({})})});
}

Span to_instant(const Value& value) {
  namespace ch = std::chrono;
  if (!is(value, "datetime")) {
    throw_mismatch("datetime.datetime", value);
  }
  const Items& args = value.as_object().args.items();
  if (args.empty() || args[0].kind() != Kind::bytes || args[0].as_bytes().size() != kStateSize) {
    throw_bad_value("a datetime", value);
  }
  const ByteView state = args[0].as_bytes();
  const auto at = [&state](std::size_t i) { return static_cast<int>(state[i]); };
  constexpr int kMonthBits = 0x7f;  // the highest says which of two equal hours is meant
  const ch::year_month_day date{ch::year{at(0) << 8 | at(1)},
                                ch::month{static_cast<unsigned>(at(2) & kMonthBits)},
                                ch::day{static_cast<unsigned>(at(3))}};
  if (!date.ok() || at(4) > 23 || at(5) > 59 || at(6) > 59) {
    throw_bad_value("a datetime", value);
  }
  const std::int64_t days = ch::sys_days{date}.time_since_epoch().count();
  const std::int64_t offset = args.size() > 1 && !args[1].is_none() ? offset_of(args[1]) : 0;
  const std::int64_t micro = at(7) << 16 | at(8) << 8 | at(9);
  return {days * kDay + (at(4) * 60 + at(5)) * 60 + at(6) - offset, micro * kNanosPerMicro};
}

}  // namespace mp::pickle::detail
