// SPDX-License-Identifier: Apache-2.0
// mp/pool/imap.hpp — results of a map, one by one as they come.
//
//     for (double y : pool.imap(f, xs)) ...               // in the order of xs
//     auto results = pool.imap_unordered(f, xs);          // in the order in which they are
//     finished while (auto y = results.next()) ...
//
// Items are read from the range as results are taken: never more than a window ahead.
//
// Threads: one thread at a time.
// Owns:    a share in the pool; the range itself when it was given as an rvalue.
// Blocks:  next, and advancing an iterator.
// Throws:  next: what the task threw for that item, and what the range threw when it was read;
//          the results after it are still to be had. TimeoutError from next(timeout).
// Python:  multiprocessing.pool.IMapIterator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "mp/base/deadline.hpp"
#include "mp/pool/raw_pool.hpp"

namespace mp {

namespace detail {

enum class Order : bool { kept, as_finished };

// The untyped part: keeps a window of chunks in flight.
class MP_API ImapWindow {
 public:
  // Makes the call for the next chunk; an empty one at the end of the range. What it throws is
  // delivered in the chunk's place, and ends the range.
  using NextChunk = std::function<RawTask()>;
  // `at_end` is called once, behind the last outcome.
  ImapWindow(std::shared_ptr<RawPool> pool, Order order, NextChunk next,
             std::function<void()> at_end);
  ~ImapWindow();
  ImapWindow(const ImapWindow&) = delete;
  ImapWindow& operator=(const ImapWindow&) = delete;

  // The next chunk's outcome; nullptr behind the last. Throws TimeoutError, or what the range
  // threw.
  [[nodiscard]] std::shared_ptr<RawResult> next(Deadline until);

 private:
  struct Finished;

  void fill();

  std::shared_ptr<RawPool> pool_;
  Order order_;
  NextChunk next_chunk_;
  const void* call_site_;
  std::function<void()> at_end_hook_;
  std::deque<std::shared_ptr<RawResult>> in_order_;  // Order::kept
  std::shared_ptr<Finished> finished_;
  std::exception_ptr range_error_;
  bool at_end_ = false;
  std::size_t flying_ = 0;
  std::size_t window_;
};

}  // namespace detail

template <class R>
class Imap {
 public:
  Imap(std::shared_ptr<RawPool> pool, detail::Order order, detail::ImapWindow::NextChunk next,
       std::function<void()> at_end = {})
      : window_{std::make_unique<detail::ImapWindow>(std::move(pool), order, std::move(next),
                                                     std::move(at_end))} {}

  // Returns the next result; nothing behind the last.
  std::optional<R> next(Deadline until = Deadline::never()) {
    for (;;) {
      if (lost_ != 0) {
        --lost_;
        std::rethrow_exception(loss_);
      }
      if (items_) {
        if (const auto item = items_->outcome.next()) {
          return item->template get<R>();
        }
        items_.reset();
      }
      std::shared_ptr<RawResult> chunk = window_->next(until);
      if (chunk == nullptr) {
        return std::nullopt;
      }
      const std::uint32_t count = chunk->items();
      try {
        items_ = std::make_unique<Items>(std::move(chunk));
      } catch (...) {
        // The chunk as a whole failed, as each of its items did.
        loss_ = std::current_exception();
        lost_ = count;
      }
    }
  }

  class iterator {
   public:
    using value_type = R;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    iterator() = default;
    explicit iterator(Imap* imap) : imap_{imap}, value_{imap->next()} {}
    const R& operator*() const { return *value_; }
    iterator& operator++() {
      value_ = imap_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& it, std::default_sentinel_t) { return !it.value_; }

   private:
    Imap* imap_ = nullptr;
    std::optional<R> value_;
  };
  iterator begin() { return iterator{this}; }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  // A chunk that is being read.
  struct Items {
    explicit Items(std::shared_ptr<RawResult> result)
        : chunk{std::move(result)}, in{chunk->outcome(), chunk->carrier()}, outcome{in} {}
    std::shared_ptr<RawResult> chunk;
    Reader in;
    BatchOutcome outcome;
  };

  std::unique_ptr<detail::ImapWindow> window_;
  std::unique_ptr<Items> items_;
  std::exception_ptr loss_;
  std::uint32_t lost_ = 0;  // items of a chunk that failed as a whole, yet to be told
};

}  // namespace mp
