// SPDX-License-Identifier: Apache-2.0
// mp/pool/this_task.hpp — what a task may know of itself while it runs in a worker.
//
//     int search(Range range) {
//       for (auto x : range) {
//         if (mp::this_task::stop_requested()) return best;      // its time is over
//         ...
//
// A task whose time limit has passed, or that is cancelled, is asked to stop; a task that has
// looked here at least once gets its grace for it, any other is killed at once.
//
// Threads:   all functions may be called from any thread of the worker, while the task runs.
//            Outside of a pool's task nobody ever asks to stop.
// Processes: the request is one word in shared memory; looking at it is one load.
#pragma once

#include <cstdint>
#include <stop_token>

#include "mp/base/export.hpp"

namespace mp {

// A number that is the task's own, of a map its item's, to make random numbers from:
//
//     std::mt19937_64 random{mp::task_seed()};
//
// It depends on the pool's `seed`, on how many calls the pool was given before (a map is one), and
// on the item's place: not on the number of workers, chunks or attempts. Asked for by the thread
// that runs the task; throws UsageError where there is none.
[[nodiscard]] MP_API std::uint64_t task_seed();

}  // namespace mp

namespace mp::this_task {

// Whether the task at work is to stop.
[[nodiscard]] MP_API bool stop_requested() noexcept;
// The same as a token, for std::condition_variable_any and for callbacks. The first call in a
// worker starts a thread, in which the callbacks run.
[[nodiscard]] MP_API std::stop_token stop_token();

}  // namespace mp::this_task
