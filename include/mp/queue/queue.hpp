// SPDX-License-Identifier: Apache-2.0
// mp/queue/queue.hpp — a queue of values between any number of processes.
//
//     mp::Queue<std::string> queue;
//     mp::Process child{[](mp::Queue<std::string> q) { q.put("hello"); }, queue};
//     child.start();
//     std::string word = queue.get();
//
// Every verb has Python's form, which throws Full or Empty, and std's form, which returns bool or
// std::optional.
//
// Threads:   any number of threads may use one Queue.
// Processes: a handle, cheap to copy; pass it as an argument, or send it through another queue. A
//            put is visible to every process when it returns: there is no feeder thread.
// Fork:      an inherited Queue is valid.
// Crash:     a process killed at any instruction leaves the queue whole: see RawQueue.
// Owns:      the items inside, until the last handle in the last process is gone.
// Blocks:    put while a bounded queue is full, get while there is nothing. Bound either with a
//            timeout, or do not wait: put_nowait, try_put, get_nowait, try_get.
// Order:     first in, first out, for each thread that puts and over all that do, but for items
//            that are delivered again because their reader died.
// Throws:    Full, Empty; QueueClosed after close() in this process, after shutdown() (get: once
//            the queue is drained); OutOfMemory from put, with the queue unchanged; from get,
//            DecodeError or TypeMismatch, with the item inside, when another process put something
//            that is no T.
// Python:    multiprocessing.Queue, and queue.Queue's shutdown. put() does not return before the
//            item is inside, so join_thread and cancel_join_thread have nothing to do and are not
//            here; empty() tells the truth. Closing also ends gets in this process.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/codec/codec.hpp"
#include "mp/errors/error.hpp"
#include "mp/queue/raw_queue.hpp"

namespace mp {

namespace detail {

[[noreturn]] MP_API void throw_queue_closed();
[[noreturn]] MP_API void throw_queue_full();
[[noreturn]] MP_API void throw_queue_empty();

// Writes the message with `value` into `draft`.
template <class T>
void write_draft(RawQueue::Draft& draft, const T& value) {
  require_codable<T>();
  const std::size_t size = message_size(value);
  if (size > RawQueue::kInlineSize) {
    collect_objects(value, draft);  // an item in shared memory must know its objects first
  }
  do {
    Writer out{draft.begin(size), &draft};
    write_message(out, value);
    if (out.size() != size) [[unlikely]] {
      throw_unfilled();
    }
  } while (draft.must_restart());
}

// Returns whether the item is inside.
template <class T, class Q>
bool put_value(Q& queue, const T& value, Deadline until) {
  RawQueue::Draft draft;
  write_draft(draft, value);
  const RawQueue::Outcome outcome = queue.put(draft, until);
  if (outcome == RawQueue::Outcome::closed) {
    throw_queue_closed();
  }
  return outcome == RawQueue::Outcome::done;
}

// Returns nothing at the deadline.
template <class T>
std::optional<T> get_value(RawQueue& queue, Deadline until) {
  RawQueue::Item item;
  switch (queue.get(item, until)) {
    case RawQueue::Outcome::closed:
      throw_queue_closed();
    case RawQueue::Outcome::timed_out:
      return std::nullopt;
    default:
      return mp::decode<T>(item.bytes(), &item);
  }
}

// The items of a queue, as they come, until it is shut down and drained.
template <class T>
class QueueIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = T*;
  using reference = T&;

  QueueIterator() = default;
  explicit QueueIterator(RawQueue& queue) : queue_{&queue} { ++*this; }

  T& operator*() { return *value_; }
  T* operator->() { return &*value_; }
  QueueIterator& operator++() {
    RawQueue::Item item;
    if (queue_->get(item, Deadline::never()) == RawQueue::Outcome::done) {
      value_.emplace(mp::decode<T>(item.bytes(), &item));
    } else {
      queue_ = nullptr;
    }
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const QueueIterator& a, std::default_sentinel_t) {
    return a.queue_ == nullptr;
  }

 private:
  RawQueue* queue_ = nullptr;
  std::optional<T> value_;
};

}  // namespace detail

template <class T>
class Queue {
 public:
  using value_type = T;

  // A new queue, in which at most `maxsize` items fit; 0 is no bound.
  explicit Queue(std::size_t maxsize = 0) : raw_{maxsize} {}
  // The same queue, seen as one of T: what others put must be T too.
  explicit Queue(RawQueue raw) : raw_{std::move(raw)} {}

  // Puts `value`, waiting for room. Throws Full at the end of a timeout.
  void put(const T& value, Deadline until = Deadline::never()) {
    if (!detail::put_value(raw_, value, until)) {
      detail::throw_queue_full();
    }
  }
  void put_nowait(const T& value) { put(value, Deadline::now()); }
  // Returns whether there was room.
  bool try_put(const T& value) { return detail::put_value(raw_, value, Deadline::now()); }
  bool try_put_for(const T& value, Deadline until) { return detail::put_value(raw_, value, until); }
  // Puts every element of `values`, and wakes readers once. Throws Full at the end of a timeout;
  // the elements before the one that did not fit are inside then.
  template <class Range>
  void put_many(const Range& values, Deadline until = Deadline::never()) {
    RawQueue::Batch batch{raw_};
    for (const T& value : values) {
      if (!detail::put_value(batch, value, until)) {
        detail::throw_queue_full();
      }
    }
  }

  // Gets the first item, waiting for one. Throws Empty at the end of a timeout.
  T get(Deadline until = Deadline::never()) {
    std::optional<T> value = detail::get_value<T>(raw_, until);
    if (!value) {
      detail::throw_queue_empty();
    }
    return *std::move(value);
  }
  T get_nowait() { return get(Deadline::now()); }
  // Returns nothing when there is nothing.
  std::optional<T> try_get() { return detail::get_value<T>(raw_, Deadline::now()); }
  std::optional<T> try_get_for(Deadline until) { return detail::get_value<T>(raw_, until); }
  // Waits for an item and gets what is inside then, up to `most` items. Returns fewer, or none, at
  // the end of a timeout.
  std::vector<T> get_many(std::size_t most, Deadline until = Deadline::never()) {
    std::vector<T> values;
    RawQueue::Item item;
    while (values.size() < most) {
      const auto outcome = raw_.get(item, values.empty() ? until : Deadline::now());
      if (outcome == RawQueue::Outcome::closed && values.empty()) {
        detail::throw_queue_closed();
      }
      if (outcome != RawQueue::Outcome::done) {
        break;
      }
      values.push_back(mp::decode<T>(item.bytes(), &item));
    }
    return values;
  }

  // Gets items until the queue is shut down and drained, or closed here.
  auto begin() { return detail::QueueIterator<T>{raw_}; }
  auto end() { return std::default_sentinel; }

  // How many items are inside; exact when nobody is putting or getting.
  [[nodiscard]] std::size_t qsize() const { return raw_.size(); }
  [[nodiscard]] bool empty() const { return raw_.empty(); }
  [[nodiscard]] bool full() const { return raw_.full(); }
  [[nodiscard]] std::size_t maxsize() const { return raw_.maxsize(); }

  // This process puts and gets no more.
  void close() noexcept { raw_.close(); }
  // Ends the queue for all processes. Puts fail from now on, gets when it is drained; `immediate`
  // drops what is inside.
  void shutdown(bool immediate = false) { raw_.shutdown(immediate); }

  // For mp::wait and for epoll: ready while get would not wait (see RawQueue).
  [[nodiscard]] Waitable waitable() const { return raw_.waitable(); }
  [[nodiscard]] int fileno() const { return raw_.fileno(); }

  // The queue beneath, for bytes.
  [[nodiscard]] RawQueue& raw() noexcept { return raw_; }
  [[nodiscard]] const RawQueue& raw() const noexcept { return raw_; }
  friend bool operator==(const Queue& a, const Queue& b) noexcept { return a.raw_ == b.raw_; }

 protected:
  RawQueue raw_;
};

// A queue in a message is a reference to it.
template <class T>
struct codec<Queue<T>> {
  static constexpr std::string_view kName = "mp.Queue";
  static constexpr std::size_t kMinSize = 8;
  using Parts = CodecParts<T>;
  static void write(auto& out, const Queue<T>& queue) {
    out.put_object(queue.raw().id(), "a Queue");
  }
  static Queue<T> read(Reader& in) {
    return Queue<T>{RawQueue::from_id(in.take_object("a Queue"))};
  }
};

}  // namespace mp
