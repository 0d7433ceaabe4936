// SPDX-License-Identifier: Apache-2.0
// pool/backlog.hpp — what waits for its turn: the higher priority first, and first come, first
// served within one.
//
// Threads: one at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace mp::pool {

template <class T>
class Backlog {
 public:
  void push_back(int priority, T one) {
    ranks_[priority].push_back(std::move(one));
    ++size_;
  }
  // Ahead of its equals: it has had its turn before.
  void push_front(int priority, T one) {
    ranks_[priority].push_front(std::move(one));
    ++size_;
  }
  // Both expect that it is not empty.
  [[nodiscard]] int highest() const { return ranks_.begin()->first; }
  T pop() {
    const auto rank = ranks_.begin();
    return take(rank, rank->second.begin());
  }
  // Takes the first out for which `is_it` holds.
  template <class Predicate>
  std::optional<T> remove(Predicate is_it) {
    for (auto rank = ranks_.begin(); rank != ranks_.end(); ++rank) {
      const auto at = std::ranges::find_if(rank->second, is_it);
      if (at != rank->second.end()) {
        return take(rank, at);
      }
    }
    return std::nullopt;
  }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  using Ranks = std::map<int, std::deque<T>, std::greater<>>;

  T take(typename Ranks::iterator rank, typename std::deque<T>::iterator at) {
    T one = std::move(*at);
    rank->second.erase(at);
    --size_;
    if (rank->second.empty()) {
      ranks_.erase(rank);
    }
    return one;
  }

  Ranks ranks_;  // none of them empty
  std::size_t size_ = 0;
};

}  // namespace mp::pool
