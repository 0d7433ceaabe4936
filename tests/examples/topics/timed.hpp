// SPDX-License-Identifier: Apache-2.0
// timed.hpp — a task's result with the time that it took on the wall.
#pragma once

#include <chrono>
#include <ctime>
#include <string>
#include <utility>

#include "crew.hpp"

namespace topics {

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template <class Task>
auto timed(std::string worker, Task task) -> Done<decltype(task())> {
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t cpu_begin = std::clock();
  auto result = task();
  const double cpu_seconds = static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC;
  return {std::move(result), std::move(worker), seconds_since(begin), cpu_seconds};
}

}  // namespace topics
