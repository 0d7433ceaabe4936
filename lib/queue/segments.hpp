// SPDX-License-Identifier: Apache-2.0
// queue/segments.hpp — where the slot of a position lies; segments come and go.
//
// Threads:   any. Lock-free.
// Crash:     adding a segment is one CAS of its cell, taking one out another; whoever finds work
//            half done finishes it. README.md has the argument why a late CAS changes nothing.
// Throws:    OutOfMemory from add_segment; the queue is unchanged then.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "queue/queue_layout.hpp"

namespace mp::queue {

using Position = std::uint64_t;

struct Place {
  layout::QueueSlot* slot = nullptr;  // nullptr: there is no segment (any more, or yet)
  std::uint64_t seal = 0;             // the seal that its word must carry
};

// A queue as one process sees it.
struct View {
  layout::QueueHead* head = nullptr;
  std::uint64_t serial =
      0;  // names the queue among those this process ever used; 0: remember nothing
};

namespace detail {

// What this thread remembers of segments.
struct Remembered {
  std::uint64_t serial = 0;
  std::uint64_t segment = ~std::uint64_t{0};  // no segment has this number
  layout::QueueSlot* slots = nullptr;
  std::uint64_t seal = 0;
};
inline constexpr std::size_t kRemembered = 8;
[[gnu::tls_model("initial-exec")]] extern thread_local constinit std::array<Remembered, kRemembered>
    remembered;

[[nodiscard]] inline Remembered& place_of(const View& queue, std::uint64_t segment) noexcept {
  return remembered[(queue.serial * 2 + segment) % kRemembered];
}
[[nodiscard]] Place find_anew(const View& queue, Position position) noexcept;

}  // namespace detail

// The slot of `position`. Remembers segments for each thread; a word with another seal says that
// what it remembers is out of date: forget it and look again.
[[nodiscard]] inline Place find(const View& queue, Position position) noexcept {
  const std::uint64_t segment = position / layout::kSegmentSlots;
  const detail::Remembered& known = detail::place_of(queue, segment);
  if (known.serial == queue.serial && known.segment == segment) [[likely]] {
    return {known.slots + position % layout::kSegmentSlots, known.seal};
  }
  return detail::find_anew(queue, position);
}
// Calls `prefetch` for the lines of a short item a few slots behind `place`, if they are near.
template <class Prefetch>
void prefetch_after(const Place& place, Position position, Prefetch&& prefetch) noexcept {
  constexpr Position kAhead = 3;
  if (position % layout::kSegmentSlots < layout::kSegmentSlots - kAhead) {
    const auto* first = reinterpret_cast<const std::byte*>(place.slot + kAhead);
    prefetch(first);
    prefetch(first + 64);
  }
}
inline void forget(const View& queue, Position position) noexcept {
  detail::place_of(queue, position / layout::kSegmentSlots) = {};
}

// The first position whose segment was not given back.
[[nodiscard]] inline Position first_kept(const View& queue) noexcept {
  return queue.head->retired.load() * layout::kSegmentSlots;
}

// Adds the segment of `position` unless it is there, or was.
void add_segment(const View& queue, Position position);
// Gives back the segments that lie wholly before the head.
void retire_segments(const View& queue) noexcept;
// Calls visit(segment) for every segment there is; for destruction.
void free_directory(layout::QueueHead& head, void (*empty)(layout::QueueSlot* slots)) noexcept;

}  // namespace mp::queue
