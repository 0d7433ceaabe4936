// SPDX-License-Identifier: Apache-2.0
// sync/sync_layout.hpp — the bytes of semaphores, conditions, events and barriers in shared memory.
// The lock has a page of its own (lock_word.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "memory/arena_layout.hpp"

namespace mp::layout {

// Semaphore.   word: [31] somebody may sleep  [30:0] permits that are free
// With owned permits the word says for ever that there are none and somebody may sleep, so that
// nobody takes the short ways: a cell for each permit says whose it is, and `gate` is what
// acquirers sleep on.
struct alignas(64) SemaphoreObject {
  Word word;
  std::uint32_t owned;  // 1: permits belong to processes
  std::uint32_t cells;  // how many of those there are
  Gate gate;
  Word cursor;  // hint: where a free cell was seen last
  Word cpus;    // hint: whereabouts.hpp, here and below
};
using PermitCell = Word;  // ProcessId of who has it, 0 = free; `cells` of them follow the object
inline constexpr std::uint32_t kSemaphoreSleepers = 1u << 31;
inline constexpr std::uint32_t kSemaphorePermits = kSemaphoreSleepers - 1;
static_assert(sizeof(SemaphoreObject) == 64);

// Event.   word: [31:2] how often it was set  [1] somebody may sleep  [0] set
struct alignas(64) EventObject {
  Word word;
  Word cpus;
};
inline constexpr std::uint32_t kEventSet = 1;
inline constexpr std::uint32_t kEventSleepers = 2;
inline constexpr std::uint32_t kEventStep = 4;

// Condition. Waiters take a cell each; the cells after the first few are in blocks of their own.
//   word of a cell: [31:30] CellState  [29:0] ThreadTag of the waiter;  0 = free
struct WaiterCell {
  Word word;
  Word ticket;  // orders the waiters by arrival
};
inline constexpr std::uint32_t kWaiting = 1u << 30;
inline constexpr std::uint32_t kNotified = 2u << 30;
inline constexpr std::uint32_t kAsleep = 3u << 30;  // waiting, and to be woken by a system call
inline constexpr std::uint32_t kWaiterState = 3u << 30;
inline constexpr std::uint32_t kWaiterTag = kWaiting - 1;

struct alignas(64) ConditionObject {
  static constexpr unsigned kCells = 6;
  Word64 more;  // BlockId of a WaiterPage, 0 = none
  Word tickets;
  Word cpus;
  WaiterCell cells[kCells];
};
struct WaiterPage {
  static constexpr unsigned kCells = 63;
  Word64 more;
  WaiterCell cells[kCells];
};
static_assert(sizeof(ConditionObject) == 64 && sizeof(WaiterPage) == 512);

// Barrier.   word: [31:24] outcomes of the last eight rounds, the newest in bit 24; 1 = reset
//                  [23:3] round  [2] an action runs  [1] broken  [0] somebody may sleep
struct alignas(64) BarrierObject {
  Word word;
  std::uint32_t parties;
  std::uint32_t has_action;
  Word cpus;
  std::int64_t timeout;  // of wait() without one, in nanoseconds
};
// One for each party:   [61:32] ThreadTag  [21:0] the round it waits in + 1, 0 = none ever
using PartyCell = Word64;
inline constexpr std::uint32_t kBarrierSleepers = 1;
inline constexpr std::uint32_t kBarrierBroken = 2;
inline constexpr std::uint32_t kBarrierActing = 4;
inline constexpr unsigned kBarrierRoundShift = 3;
inline constexpr std::uint32_t kBarrierRounds = 1u << 21;
inline constexpr unsigned kBarrierHistoryShift = 24;

}  // namespace mp::layout
