// SPDX-License-Identifier: Apache-2.0
// queue/segments.hpp — where the slot of a position lies; segments come and go.
//
// Threads:   any. Lock-free.
// Crash:     adding a segment is one CAS of its cell, taking one out another; whoever finds work
//            half done finishes it. README.md has the argument why a late CAS changes nothing.
// Throws:    OutOfMemory from add_segment; the queue is unchanged then.
#pragma once

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

// The slot of `position`. Remembers segments for each thread; a word with another seal says that
// what it remembers is out of date: forget it and look again.
[[nodiscard]] Place find(const View& queue, Position position) noexcept;
void forget(const View& queue, Position position) noexcept;

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
