// SPDX-License-Identifier: Apache-2.0
// mp/pool/as_completed.hpp — results in the order in which they come to be.
//
//     for (const mp::AsyncResult<double>& result : mp::as_completed(results)) use(result.get());
//
// Threads: one thread at a time.
// Blocks:  next, and advancing an iterator. The calling thread helps its pool meanwhile.
// Throws:  UsageError when the results are not all of one pool; TimeoutError from next(timeout).
// What
//          a task threw, its get() throws.
// Python:  concurrent.futures.as_completed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "mp/base/contract.hpp"
#include "mp/base/deadline.hpp"
#include "mp/errors/error.hpp"
#include "mp/pool/async_result.hpp"

namespace mp {

template <class T>
class Completed {
 public:
  explicit Completed(std::vector<AsyncResult<T>> results) : left_{std::move(results)} {
    MP_EXPECTS(std::ranges::all_of(left_,
                                   [this](const AsyncResult<T>& result) {
                                     return result.parts().pool() == left_.front().parts().pool();
                                   }),
               "the results must all be of one pool");
  }

  // Returns a result that is ready and was not returned before; nothing behind the last.
  std::optional<AsyncResult<T>> next(Deadline until = Deadline::never()) {
    if (left_.empty()) {
      return std::nullopt;
    }
    const auto is_ready = [](const AsyncResult<T>& result) { return result.parts().ready(); };
    const auto any_ready = [&] { return std::ranges::any_of(left_, is_ready); };
    if (!any_ready() && !left_.front().parts().pool()->wait(any_ready, until)) {
      throw TimeoutError{"no result was there in time"};
    }
    const auto first = std::ranges::find_if(left_, is_ready);
    AsyncResult<T> result = std::move(*first);
    left_.erase(first);
    return result;
  }

  class iterator {
   public:
    using value_type = AsyncResult<T>;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    iterator() = default;
    explicit iterator(Completed* all) : all_{all}, value_{all->next()} {}
    const AsyncResult<T>& operator*() const { return *value_; }
    iterator& operator++() {
      value_ = all_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& it, std::default_sentinel_t) { return !it.value_; }

   private:
    Completed* all_ = nullptr;
    std::optional<AsyncResult<T>> value_;
  };
  iterator begin() { return iterator{this}; }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  std::vector<AsyncResult<T>> left_;
};

template <class T>
[[nodiscard]] Completed<T> as_completed(std::vector<AsyncResult<T>> results) {
  return Completed<T>{std::move(results)};
}

}  // namespace mp
