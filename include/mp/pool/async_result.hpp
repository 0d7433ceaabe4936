// SPDX-License-Identifier: Apache-2.0
// mp/pool/async_result.hpp — the result of a call that a pool was given.
//
// Threads: all members may be called from any thread; copies refer to the same result.
// Owns:    a share in the result. It stays good after the Pool is gone.
// Blocks:  wait and get. The calling thread helps its pool meanwhile.
// Throws:  get: what the task threw, as its own type (mp/codec/exception.hpp); WorkerDied;
//          TaskTimeout when its own limit had passed, Cancelled, PoolClosed when the pool was
//          terminated; TimeoutError from get(timeout).
// Python:  multiprocessing.pool.AsyncResult.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/pool/raw_pool.hpp"
#include "mp/pool/raw_result.hpp"

namespace mp {

namespace detail {

// The parts of a result: one for a call, one for each chunk of a map.
class MP_API ResultParts {
 public:
  enum class Kind : bool { call, map };
  ResultParts(Kind kind, std::shared_ptr<RawPool> pool,
              std::vector<std::shared_ptr<RawResult>> parts) noexcept;
  [[nodiscard]] bool ready() const noexcept;
  // The same, after taking what has come since: that may be noticed by nobody else.
  [[nodiscard]] bool look() const noexcept;
  bool wait(Deadline until) const;
  // Expects ready(). Whether every item of every part succeeded.
  [[nodiscard]] bool successful() const;
  // Throws TimeoutError unless ready by then.
  void expect_ready(Deadline until) const;
  bool cancel() const;
  [[nodiscard]] const std::vector<std::shared_ptr<RawResult>>& parts() const noexcept {
    return parts_;
  }
  [[nodiscard]] const std::shared_ptr<RawPool>& pool() const noexcept { return pool_; }

 private:
  Kind kind_;
  std::shared_ptr<RawPool> pool_;
  std::vector<std::shared_ptr<RawResult>> parts_;
};

// Decodes what one call returned.
template <class R>
R decode_outcome(const RawResult& result) {
  Reader in{result.outcome(), result.carrier()};
  return read_outcome<R>(in);
}

// Appends what a chunk of a map returned; throws its first exception.
template <class R>
void decode_chunk(const RawResult& result, std::vector<R>& into) {
  Reader in{result.outcome(), result.carrier()};
  BatchOutcome outcome{in};
  while (const auto item = outcome.next()) {
    into.push_back(item->template get<R>());
  }
}
// The same for a callable that returns nothing.
MP_API void expect_chunk(const RawResult& result);

}  // namespace detail

template <class T>
class AsyncResult {
 public:
  // How the parts become a T.
  using Decode = T (*)(const detail::ResultParts& parts);
  AsyncResult(detail::ResultParts parts, Decode decode) noexcept
      : parts_{std::move(parts)}, decode_{decode} {}

  // Waits for the result and returns it, each time anew.
  T get() const {
    parts_.wait(Deadline::never());
    return decode_(parts_);
  }
  T get(Deadline until) const {
    parts_.expect_ready(until);
    return decode_(parts_);
  }
  // Waits until there is a result or an exception.
  void wait() const { parts_.wait(Deadline::never()); }
  // The same, at most `until`; returns whether there is.
  bool wait(Deadline until) const { return parts_.wait(until); }
  [[nodiscard]] bool ready() const noexcept { return parts_.look(); }
  // Whether the call returned, rather than threw. Throws UsageError unless ready().
  [[nodiscard]] bool successful() const { return parts_.successful(); }
  // Makes the call fail with Cancelled, unless it has ended: at once if it has not begun, otherwise
  // as soon as its task has stopped (mp/pool/this_task.hpp) or its worker was killed for it. Of a
  // map this goes for each chunk. Returns whether all of it was cancelled.
  bool cancel() const { return parts_.cancel(); }
  [[nodiscard]] const detail::ResultParts& parts() const noexcept { return parts_; }

 private:
  detail::ResultParts parts_;
  Decode decode_;
};

}  // namespace mp
