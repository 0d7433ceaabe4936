// SPDX-License-Identifier: Apache-2.0
// mp/pool/insights.hpp — what a pool's workers did with their time.
//
//     std::cerr << pool.insights().text();
//
// The workers count in shared memory, at the price of a few nanoseconds a task, so this can be
// asked at any time, also while they work; a task that runs is not counted yet. A place is where
// one worker follows another; what is told is the sum over those that were there. The time of
// standbys does not count.
//
// Threads: values.
// Crash:   what a killed worker had counted stays.
// Python:  mpire's insights.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"

namespace mp {

struct WorkerInsight {
  std::uint64_t tasks = 0;                   // finished; a chunk of a map is one
  std::chrono::nanoseconds start_time = {};  // from the decision to make it to its first step
  std::chrono::nanoseconds init_time = {};   // in its initializer
  std::chrono::nanoseconds wait_time = {};   // for tasks
  std::chrono::nanoseconds work_time = {};   // in tasks
  std::chrono::nanoseconds exit_time = {};   // from its last task until it was reaped
};

struct SlowTaskInsight {
  std::chrono::nanoseconds time = {};
  std::size_t place = 0;      // the index in `workers`
  std::string name;           // of the callable, cut when it is long
  std::size_t call_size = 0;  // bytes of the encoded call
  Bytes call = {};            // the first of them: callable and arguments as they were sent
};

struct MP_API PoolInsights {
  std::vector<WorkerInsight> workers = {};    // one for each place
  std::vector<SlowTaskInsight> slowest = {};  // of all places, the slowest first

  // The part of the workers' time that was work; 1 when there was no time.
  [[nodiscard]] double work_ratio() const noexcept;
  // A table for people, with a warning when less than 80 % of the time was work.
  [[nodiscard]] std::string text() const;
};

}  // namespace mp
