// SPDX-License-Identifier: Apache-2.0
// queue/ring.hpp — the slots of a queue: claim, commit, repair. Nothing here waits.
//
// An operation claims one slot by a CAS on the slot's own word, which puts the thread's tag there,
// and commits by one store to the same word. Tail, front and head say where to look, and anyone may
// move them. README.md lists the invariants (Q1 to Q9) that the comments refer to.
//
// Threads:   any. Lock-free but for the moment in which a claimed slot is filled or emptied.
// Crash:     a dead writer's slot becomes a tombstone, a dead reader's is ready again, by whoever
//            meets it; repair_after does it for a whole process.
#pragma once

#include <cstdint>

#include "memory/tags.hpp"
#include "queue/segments.hpp"

namespace mp::queue {

// A slot that this thread has claimed.
struct Claim {
  Place place;
  Position position = 0;
};

// Writers.
enum class Room : std::uint8_t { claimed, full };
// Claims the next slot. Throws OutOfMemory, with nothing changed.
[[nodiscard]] Room claim_to_write(const View& queue, memory::ThreadTag me, Claim& claim);
// The commit: the item is in the queue. The caller wakes readers.
void commit_write(const View& queue, const Claim& claim) noexcept;
// Leaves a tombstone instead.
void abandon_write(const View& queue, const Claim& claim) noexcept;

// Readers.
enum class Found : std::uint8_t { claimed, nothing };
// Claims the first item. `thorough` also looks for items that came late or were given back, and
// repairs after the dead; without it `nothing` may be wrong. If there is an item that somebody
// alive is just putting or getting, `busy` is one of those (0: none).
[[nodiscard]] Found claim_to_read(const View& queue, memory::ThreadTag me, Claim& claim,
                                  bool thorough, memory::ThreadTag& busy) noexcept;
// The commit: the item has left the queue.
void commit_read(const View& queue, const Claim& claim) noexcept;
// The same, but as if the item had never been put.
void commit_discard(const View& queue, const Claim& claim) noexcept;
// Whether an item lies at `position`, which a writer may be about to fill; for spinning.
[[nodiscard]] bool is_ready(const View& queue, Position position) noexcept;

// The ways of a thread that is alone at its side (alone.hpp), between enter_alone and leave_alone.
// The slot is not claimed: nobody else would take it. When they find nothing, the ways above know
// more.
[[nodiscard]] bool find_room_alone(const View& queue, Claim& claim) noexcept;
void commit_write_alone(const View& queue, const Claim& claim) noexcept;
[[nodiscard]] bool find_item_alone(const View& queue, Claim& claim) noexcept;
void commit_read_alone(const View& queue, const Claim& claim) noexcept;
// Lets the front go back to where the sole reader was told to.
void heed_pulls(layout::QueueHead& head) noexcept;

// Counting; exact when nobody is putting or getting.
[[nodiscard]] std::uint64_t count_items(const View& queue) noexcept;
// Items put, so far, without those that died as tombstones.
[[nodiscard]] std::uint64_t count_put(const View& queue) noexcept;
// Whether one more item may be put.
[[nodiscard]] bool has_room(const View& queue, Position position) noexcept;

// Moves the head over what is finished, repairing after the dead, and gives segments back.
void tidy(const View& queue) noexcept;
// Gives the items of dead readers back, so that others find them. Returns whether there were any.
bool repair_after_death(const View& queue) noexcept;

}  // namespace mp::queue
