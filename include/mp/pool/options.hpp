// SPDX-License-Identifier: Apache-2.0
// mp/pool/options.hpp — what can be chosen when a pool is made, and for a single call.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/base/export.hpp"
#include "mp/pool/journal.hpp"
#include "mp/pool/resources.hpp"
#include "mp/pool/worker_calls.hpp"
#include "mp/process/start_method.hpp"

namespace mp {

// How long something may last. Any duration converts; it must be positive.
class MP_API TimeLimit {
 public:
  // No limit.
  constexpr TimeLimit() = default;
  template <class Rep, class Period>
  TimeLimit(std::chrono::duration<Rep, Period> limit)  // NOLINT(google-explicit-constructor)
      : ns_{checked(std::chrono::duration<long double, std::nano>{limit}.count())} {}

  [[nodiscard]] constexpr bool is_none() const noexcept { return ns_ == kNone; }
  [[nodiscard]] constexpr std::int64_t nanoseconds() const noexcept { return ns_; }

 private:
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
  static std::int64_t checked(long double nanoseconds);

  std::int64_t ns_ = kNone;
};

struct PoolOptions {
  int processes = 0;  // workers; 0: as many as there are CPUs to use
  Initializer initializer = {};
  int maxtasksperchild = 0;               // a worker is replaced after so many; 0: never
  std::optional<StartMethod> start = {};  // the default method when empty
  // Calls that are not finished yet, chunks of maps included: whoever makes one more waits until it
  // is not one too many. 0: any number. Callbacks are never made to wait.
  std::size_t max_tasks_active = 0;
  // Workers more that are started and initialized, and take the place of one that ends at once.
  int standby = 0;
  Pinning pin = {};
  MemoryCaps memory = {};
  WorkerExit worker_exit = {};
  std::uint64_t seed = 0;  // of task_seed() (mp/pool/this_task.hpp)
};

// What a task may do and how often it is tried. The same fields stand in the options of the calls.
//
// A task that lasts longer than `timeout` is asked to stop (mp/pool/this_task.hpp). What it returns
// within `grace` counts; a task that did not, or never asked whether it is to stop, is killed with
// its worker, and fails with TaskTimeout. The time in the queue does not count.
//
// A task is tried again, up to `retries` times, when its worker died or its time was over, and with
// `retry_exceptions` when it threw: the first time after `backoff`, then after twice as long, and
// so on. Without retries no task ever runs twice.
//
// Among tasks that nobody has begun the one of the highest `priority` is next, and the one that
// came first among equals.
struct TaskRules {
  TimeLimit timeout = {};
  std::chrono::nanoseconds grace = std::chrono::seconds{1};
  int retries = 0;
  std::chrono::nanoseconds backoff = std::chrono::nanoseconds::zero();
  bool retry_exceptions = false;
  int priority = 0;
};

// For one call. The callbacks run one at a time in a thread of the pool, before get() and wait()
// return; what they throw is logged. The rest is in TaskRules.
template <class R>
struct CallOptions {
  std::function<void(const R&)> callback = {};
  std::function<void(const std::exception_ptr&)> error_callback = {};
  TimeLimit timeout = {};
  std::chrono::nanoseconds grace = std::chrono::seconds{1};
  int retries = 0;
  std::chrono::nanoseconds backoff = std::chrono::nanoseconds::zero();
  bool retry_exceptions = false;
  int priority = 0;
};
template <>
struct CallOptions<void> {
  std::function<void()> callback = {};
  std::function<void(const std::exception_ptr&)> error_callback = {};
  TimeLimit timeout = {};
  std::chrono::nanoseconds grace = std::chrono::seconds{1};
  int retries = 0;
  std::chrono::nanoseconds backoff = std::chrono::nanoseconds::zero();
  bool retry_exceptions = false;
  int priority = 0;
};

// For map, starmap and their kin. Items travel to the workers in chunks, and the rules are for each
// chunk.
struct MapOptions {
  // Items in a chunk; 0: so that each worker gets about four chunks, or one item with a journal.
  std::size_t chunksize = 0;
  std::string progress = {};  // the label of a bar on stderr (mp/pool/progress.hpp); empty: none
  TimeLimit timeout = {};
  std::chrono::nanoseconds grace = std::chrono::seconds{1};
  int retries = 0;
  std::chrono::nanoseconds backoff = std::chrono::nanoseconds::zero();
  bool retry_exceptions = false;
  int priority = 0;
  std::string journal = {};  // a file that keeps what is finished (mp/pool/journal.hpp)
  JournalSync sync = JournalSync::at_end;
};
template <class R>
struct MapAsyncOptions {
  std::size_t chunksize = 0;
  std::string progress = {};
  std::function<void(const R&)> callback = {};
  std::function<void(const std::exception_ptr&)> error_callback = {};
  TimeLimit timeout = {};
  std::chrono::nanoseconds grace = std::chrono::seconds{1};
  int retries = 0;
  std::chrono::nanoseconds backoff = std::chrono::nanoseconds::zero();
  bool retry_exceptions = false;
  int priority = 0;
};
template <>
struct MapAsyncOptions<void> {
  std::size_t chunksize = 0;
  std::string progress = {};
  std::function<void()> callback = {};
  std::function<void(const std::exception_ptr&)> error_callback = {};
  TimeLimit timeout = {};
  std::chrono::nanoseconds grace = std::chrono::seconds{1};
  int retries = 0;
  std::chrono::nanoseconds backoff = std::chrono::nanoseconds::zero();
  bool retry_exceptions = false;
  int priority = 0;
};

namespace detail {

template <class Options>
[[nodiscard]] TaskRules rules_of(const Options& options) {
  return {.timeout = options.timeout,
          .grace = options.grace,
          .retries = options.retries,
          .backoff = options.backoff,
          .retry_exceptions = options.retry_exceptions,
          .priority = options.priority};
}

template <class R>
[[nodiscard]] MapAsyncOptions<R> async_options(const MapOptions& options) {
  MapAsyncOptions<R> result;
  result.chunksize = options.chunksize;
  result.progress = options.progress;
  result.timeout = options.timeout;
  result.grace = options.grace;
  result.retries = options.retries;
  result.backoff = options.backoff;
  result.retry_exceptions = options.retry_exceptions;
  result.priority = options.priority;
  return result;
}

}  // namespace detail

}  // namespace mp
