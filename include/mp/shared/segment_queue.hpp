// SPDX-License-Identifier: Apache-2.0
// mp/shared/segment_queue.hpp — a bounded queue for unrelated programs, in a Segment or in any
// memory that processes map.
//
//     auto& jobs = segment.find_or_construct<mp::SegmentQueue<Job, 100>>("jobs");
//     jobs.put({1, 2.5});                    // in one program
//     const Job job = jobs.get();            // in another
//
// It is not a handle but the thing itself, hence neither copied nor sent; others find it by its
// name in the segment. Items are copied as bytes. Within one tree of processes use mp::Queue, which
// is faster, takes items of any size, and never makes anybody wait for the dead.
//
// Threads:   any number may put and get.
// Processes: any number, of programs that know nothing of each other.
// Crash:     a process killed at any instruction leaves the queue whole. An item whose put returned
//            is not lost but with the reader that had taken it; one that was not completely put
//            does not exist. Whoever is killed between its item and the wake-up of others delays a
//            sleeper by at most a second.
// Blocks:    put while the queue is full, get while it is empty; bound either with a timeout, or do
//            not wait: put_nowait, try_put, get_nowait, try_get. All wait while another copies its
//            item, these at most 10 ms.
// Order:     first in, first out. What was written before put is seen after the get of that item.
// Throws:    Full, Empty; SegmentBroken where somebody overwrote the queue with nonsense.
// Python:    multiprocessing.Queue(maxsize), by name.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "mp/base/bytes.hpp"
#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/shared/window.hpp"

namespace mp {

namespace detail {

[[noreturn]] MP_API void throw_segment_queue_full();
[[noreturn]] MP_API void throw_segment_queue_empty();

// The queue without its items, which are cells of one size.
class MP_API SegmentRing {
 public:
  SegmentRing();
  SegmentRing(const SegmentRing&) = delete;
  SegmentRing& operator=(const SegmentRing&) = delete;
  ~SegmentRing() = default;

  // Copies `item` into one of the cells, or one of the cells into `item`. Returns false at the
  // deadline. Expects: `cells` is a multiple of `item`, the same in each call.
  bool put(MutableByteView cells, ByteView item, Deadline until);
  bool get(ByteView cells, MutableByteView item, Deadline until);
  // How many of `most` cells are full.
  [[nodiscard]] std::uint32_t size(std::uint32_t most) const;

 private:
  using Word = std::atomic<std::uint32_t>;
  // One for those who put and one for those who get.
  struct End {
    alignas(8) std::array<std::byte, 40> lock{};
    Word position{0};  // how many items have passed here, modulo a large multiple of the cells
    Word others{0};    // how many of the other end sleep until that changes
    std::array<std::byte, 80> apart{};  // from the other end, whose cache lines are others'
  };
  class Turn;

  static bool sleep(End& other, std::uint32_t seen, Deadline until);
  static void wake(End& end, int n);

  End puts_;
  End gets_;
};

}  // namespace detail

// Holds at most kMaxsize items of T.
template <class T, std::uint32_t kMaxsize>
class SegmentQueue {
 public:
  static_assert(!detail::Atomic<T>, "an item is copied, which an atomic cannot be");
  static_assert(kMaxsize >= 1 && kMaxsize <= (1U << 24), "a SegmentQueue has 1 to 2^24 items");
  using value_type = T;

  SegmentQueue() { detail::require_shareable<T>(); }
  SegmentQueue(const SegmentQueue&) = delete;
  SegmentQueue& operator=(const SegmentQueue&) = delete;
  ~SegmentQueue() = default;

  // Throws Full at the end of a timeout.
  void put(const T& item, Deadline until = Deadline::never()) {
    if (!try_put_for(item, until)) {
      detail::throw_segment_queue_full();
    }
  }
  void put_nowait(const T& item) { put(item, Deadline::now()); }
  // Returns whether there was room.
  bool try_put(const T& item) { return try_put_for(item, Deadline::now()); }
  bool try_put_for(const T& item, Deadline until) {
    return ring_.put(cells_, std::as_bytes(std::span{&item, 1}), until);
  }

  // Throws Empty at the end of a timeout.
  T get(Deadline until = Deadline::never()) {
    const std::optional<T> item = try_get_for(until);
    if (!item) {
      detail::throw_segment_queue_empty();
    }
    return *item;
  }
  T get_nowait() { return get(Deadline::now()); }
  // Returns nothing when there is nothing.
  std::optional<T> try_get() { return try_get_for(Deadline::now()); }
  std::optional<T> try_get_for(Deadline until) {
    std::array<std::byte, sizeof(T)> item;
    return ring_.get(cells_, item, until) ? std::optional<T>{std::bit_cast<T>(item)} : std::nullopt;
  }

  // How many items are inside; exact when nobody is putting or getting.
  [[nodiscard]] std::size_t qsize() const { return ring_.size(kMaxsize); }
  [[nodiscard]] bool empty() const { return qsize() == 0; }
  [[nodiscard]] bool full() const { return qsize() == kMaxsize; }
  [[nodiscard]] static constexpr std::size_t maxsize() noexcept { return kMaxsize; }

 private:
  detail::SegmentRing ring_;
  alignas(T) std::array<std::byte, sizeof(T) * kMaxsize> cells_;
};

}  // namespace mp
