// SPDX-License-Identifier: Apache-2.0
// mp/pool/fork_map.hpp — a forked child for each number, and their results in order.
//
//     std::vector<double> table = load();
//     std::vector<double> sums = mp::fork_map(8, [&](int i) { return sum_of_part(table, i, 8); });
//
// Each child is a copy of this process, so the callable may capture whatever it likes, and nothing
// of it has to be encoded; what it changes, it changes in its copy. Results and exceptions travel
// as those of a Pool. All calls are made, also when one fails; then the first failure is thrown.
//
// Threads:   may be called from any thread. The children have none of the others; what they call
//            must not need a lock that one of those holds.
// Crash:     a child that dies fails its call with WorkerDied, and no other. A result that it had
//            handed over counts. Children die with their parent.
// Owns:      the children, which are reaped when this returns.
// Blocks:    until all have ended.
// Throws:    what the first call that failed (by number) has thrown; UsageError; StartError when no
//            child can be made.
// Python:    none.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/base/export.hpp"
#include "mp/codec/codec.hpp"
#include "mp/pool/async_result.hpp"
#include "mp/pool/raw_result.hpp"
#include "mp/process/call.hpp"

namespace mp {

struct ForkMapOptions {
  int processes = 0;  // at most so many at once; 0: as many as there are CPUs to use
};

namespace detail {

// Runs `call` in a child for each number below `count`; it writes the result.
[[nodiscard]] MP_API std::vector<std::unique_ptr<RawResult>> fork_calls(
    int count, const ForkMapOptions& options, const std::function<void(int, Writer&)>& call);

}  // namespace detail

template <class F>
requires std::is_invocable_v<F&, int>
auto fork_map(int count, F&& f, const ForkMapOptions& options = {}) {
  using R = std::decay_t<std::invoke_result_t<F&, int>>;
  static_assert(detail::require_result<R>());
  const auto outcomes = detail::fork_calls(count, options, [&f](int number, Writer& out) {
    if constexpr (std::is_void_v<R>) {
      f(number);
    } else {
      mp::write(out, static_cast<const R&>(R(f(number))));
    }
  });
  if constexpr (std::is_void_v<R>) {
    for (const auto& outcome : outcomes) {
      detail::decode_outcome<R>(*outcome);
    }
  } else {
    std::vector<R> results;
    results.reserve(outcomes.size());
    for (const auto& outcome : outcomes) {
      results.push_back(detail::decode_outcome<R>(*outcome));
    }
    return results;
  }
}

}  // namespace mp
