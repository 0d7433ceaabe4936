// SPDX-License-Identifier: Apache-2.0
// mp/errors/errc.hpp — the error codes of mp, as a std::error_category.
//
// Every mp::Error carries a std::error_code. Where the operating system failed it is a system
// code (OsError); everywhere else it is one of these. Where std::errc knows the situation the two
// compare equal: `error.code() == std::errc::timed_out`.
#pragma once

#include <system_error>

#include "mp/base/export.hpp"

namespace mp {

// One code per class of error.hpp. The numbers travel between processes: never reuse one.
enum class Errc {
  timed_out = 1,
  empty = 2,
  full = 3,
  closed = 4,
  end_of_file = 5,
  pool_closed = 6,
  queue_closed = 7,
  bad_encoding = 8,
  type_mismatch = 9,
  buffer_too_short = 10,
  frame_too_large = 11,
  authentication_failed = 12,
  owner_died = 13,
  not_owner = 14,
  over_release = 15,
  broken_barrier = 16,
  segment_broken = 17,
  start_failed = 18,
  worker_died = 19,
  wrong_process = 20,
  remote = 21,
  task_timeout = 22,
  cancelled = 23,
  poison_task = 24,
  memory_exceeded = 25,
};

[[nodiscard]] MP_API const std::error_category& error_category() noexcept;
[[nodiscard]] MP_API std::error_code make_error_code(Errc code) noexcept;

}  // namespace mp

template <>
struct std::is_error_code_enum<mp::Errc> : std::true_type {};
