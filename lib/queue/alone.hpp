// SPDX-License-Identifier: Apache-2.0
// queue/alone.hpp — a side of a queue that only one thread ever used is that thread's alone.
//
// The thread that puts first is the sole writer until another one wants to put; likewise the sole
// reader. It needs no claims, for nobody else would claim anything, and no locked instruction: it
// says in its thread entry that it is inside, looks whether it is still alone, makes its commit,
// and says that it is outside again. Its word in the head of the queue:
//
//   0                    nobody has come yet
//   ThreadTag            that thread is alone
//   ThreadTag | sharing  somebody else wants in; the thread does not go in any more
//   many                 for ever: everybody claims
//
// Whoever comes second turns the tag into `sharing`, makes a heavy fence (memory/fences.hpp), waits
// until the thread is outside or dead, and turns the word into `many`. Should it be killed on the
// way, the next one does the same. A sole thread that is stopped while it is inside, which is for
// some dozens of instructions, holds the second one up as the owner of a lock would.
//
// Threads: any of the tree.
// Fork:    the child's thread is another one, and comes second.
// Crash:   nothing is owed by who dies inside: before its one store nothing was put or got (Q11).
// Blocks:  settle and share, while the other one is inside; all else never.
#pragma once

#include <cstdint>

#include "mp/base/deadline.hpp"

#include "memory/fences.hpp"
#include "memory/threads.hpp"
#include "queue/queue_layout.hpp"

namespace mp::queue {

inline constexpr std::uint32_t kSharing = 1u << 31;
inline constexpr std::uint32_t kMany = 1;

// Whether `word` says that the calling thread, `me`, is alone, and if so goes in.
[[nodiscard]] inline bool enter_alone(const layout::QueueHead& head, const layout::Word& word,
                                      memory::ThreadTag me) noexcept {
  if (word.load(std::memory_order_relaxed) != me) {
    return false;
  }
  layout::Word64& inside = memory::inside_of_this_thread();
  // Not the words' own places: both sides of a queue may be the same thread's, one at a time.
  inside.store(head.self, std::memory_order_relaxed);
  memory::light_fence();  // pairs with the heavy one in share
  if (word.load(std::memory_order_acquire) == me) [[likely]] {
    return true;
  }
  inside.store(0, std::memory_order_release);
  return false;
}
// Release: pairs with the look at `inside` by who shares.
inline void leave_alone() noexcept {
  memory::inside_of_this_thread().store(0, std::memory_order_release);
}

namespace detail {
[[nodiscard]] bool settle_slowly(layout::QueueHead& head, layout::Word& word, memory::ThreadTag me,
                                 Deadline until,
                                 void (*before_sharing)(layout::QueueHead&)) noexcept;
}  // namespace detail

// To be called before each use of a side: afterwards the calling thread, `me`, is alone, or all
// claim, as it will do. Calls `before_sharing` when the one who was alone is outside for good.
// Returns false when that one was still inside at `until`, or a moment later.
[[nodiscard]] inline bool settle(layout::QueueHead& head, layout::Word& word, memory::ThreadTag me,
                                 Deadline until,
                                 void (*before_sharing)(layout::QueueHead&)) noexcept {
  const std::uint32_t seen = word.load(std::memory_order_acquire);
  return seen == me || seen == kMany ||
         detail::settle_slowly(head, word, me, until, before_sharing);
}

// Makes a side everybody's from now on, also if nobody or `me` was alone.
[[nodiscard]] bool share(layout::QueueHead& head, layout::Word& word, memory::ThreadTag me,
                         Deadline until, void (*before_sharing)(layout::QueueHead&)) noexcept;

// The thread that is alone, 0 if there is none: what it does is to be waited for on its life.
[[nodiscard]] inline memory::ThreadTag who_is_alone(const layout::Word& word) noexcept {
  const std::uint32_t tag = word.load(std::memory_order_relaxed) & ~kSharing;
  return tag == kMany ? 0 : tag;
}

// Announces somebody who sleeps at `not_empty`, as gate_prepare does: a sole writer looks for
// sleepers after a light fence. Who sleeps then does so on the sole writer's life as well, for what
// that one is about to put shows nowhere.
[[nodiscard]] std::uint32_t prepare_for_items(layout::QueueHead& head) noexcept;

}  // namespace mp::queue
