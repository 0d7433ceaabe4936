// SPDX-License-Identifier: Apache-2.0
// mp/queue/simple_queue.hpp — the lean queue: put, get, empty, close.
//
// Threads, Processes, Fork, Crash, Owns, Order, Throws: as Queue. It has no bound.
// Blocks:    get, until there is an item.
// Python:    multiprocessing.SimpleQueue; put never waits for a reader here.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "mp/queue/queue.hpp"

namespace mp {

template <class T>
class SimpleQueue {
 public:
  using value_type = T;

  SimpleQueue() = default;
  explicit SimpleQueue(RawQueue raw) : raw_{std::move(raw)} {}

  void put(const T& value) { detail::put_value(raw_, value, Deadline::never()); }

  // Gets the first item, waiting for one. Throws Empty at the end of a timeout.
  T get(Deadline until = Deadline::never()) {
    std::optional<T> value = detail::get_value<T>(raw_, until);
    if (!value) {
      detail::throw_queue_empty();
    }
    return *std::move(value);
  }
  // Returns nothing when there is nothing.
  std::optional<T> try_get() { return detail::get_value<T>(raw_, Deadline::now()); }
  std::optional<T> try_get_for(Deadline until) { return detail::get_value<T>(raw_, until); }

  [[nodiscard]] bool empty() const { return raw_.empty(); }

  // This process puts and gets no more.
  void close() noexcept { raw_.close(); }

  // For mp::wait and for epoll: ready while get would not wait (see RawQueue).
  [[nodiscard]] Waitable waitable() const { return raw_.waitable(); }
  [[nodiscard]] int fileno() const { return raw_.fileno(); }

  [[nodiscard]] RawQueue& raw() noexcept { return raw_; }
  [[nodiscard]] const RawQueue& raw() const noexcept { return raw_; }
  friend bool operator==(const SimpleQueue& a, const SimpleQueue& b) noexcept {
    return a.raw_ == b.raw_;
  }

 private:
  RawQueue raw_;
};

template <class T>
struct codec<SimpleQueue<T>> {
  static constexpr std::string_view kName = "mp.SimpleQueue";
  static constexpr std::size_t kMinSize = 8;
  using Parts = CodecParts<T>;
  static void write(auto& out, const SimpleQueue<T>& queue) {
    out.put_object(queue.raw().id(), "a SimpleQueue");
  }
  static SimpleQueue<T> read(Reader& in) {
    return SimpleQueue<T>{RawQueue::from_id(in.take_object("a SimpleQueue"))};
  }
};

}  // namespace mp
