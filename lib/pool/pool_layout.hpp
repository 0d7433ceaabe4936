// SPDX-License-Identifier: Apache-2.0
// pool/pool_layout.hpp — the board in shared memory between a pool and its workers.
//
//   BoardHeader | WorkerEntry[workers] | Slot[slots] | order: Word64[2 * slots] | done rings
//
// A task lies in a slot from its posting until its result was taken. The order ring says in which
// order slots were posted; workers claim from its head by a CAS on the slot itself, which carries
// the claimer's name, so head is only helped forward. A result is committed by the store that makes
// the slot done. What comes after it (the done ring, the bit in `finished`) only tells the parent
// where to look; when a worker dies the parent looks at all slots.
//
//   slot state: [63:32] sequence  [31:8] worker  [7:0] SlotPhase
#pragma once

#include <cstdint>

#include "memory/arena_layout.hpp"
#include "os/crash.hpp"

namespace mp::layout {

enum class SlotPhase : std::uint8_t {
  empty = 0,
  posted = 1,
  running = 2,
  done = 3,
  cancelled = 4,  // taken back by the parent while it was posted
  condemned = 5,  // its worker must end, and can commit nothing any more
};

constexpr std::uint64_t slot_state(SlotPhase phase, std::uint32_t worker, std::uint32_t sequence) {
  return std::uint64_t{sequence} << 32 | std::uint64_t{worker} << 8 |
         static_cast<std::uint8_t>(phase);
}
constexpr SlotPhase slot_phase(std::uint64_t state) {
  return static_cast<SlotPhase>(state & 0xff);
}
constexpr std::uint32_t slot_worker(std::uint64_t state) {
  return static_cast<std::uint32_t>(state >> 8) & 0xffffff;
}
constexpr std::uint32_t slot_sequence(std::uint64_t state) {
  return static_cast<std::uint32_t>(state >> 32);
}

struct alignas(64) TaskSlot {
  static constexpr std::uint32_t kInline = 200;
  Word64 state;
  Word64 task;    // BlockId of a message with the call, 0: the call is in `bytes`
  Word64 result;  // BlockId of a message with the outcome, 0: the outcome is in `bytes`
  Word64 spared;  // BlockId of a message with outcomes of items that are not to be run, 0: none
  Word64 begun;   // when its worker began, CLOCK_MONOTONIC in ns; 0 before
  Word size;      // bytes in `bytes`
  Word item;      // of a call of many items: the one at work + 1
  Word heeds;     // 1: the task has asked whether it is to stop
  Word stop;      // 1: it is
  std::byte bytes[kInline];
};
static_assert(sizeof(TaskSlot) == 256);

enum class WorkerPhase : std::uint32_t {
  starting = 0,
  working = 1,
  retired = 2,      // leaves in order, having done as many tasks as it may
  init_failed = 3,  // its initializer threw; the exception is in `failure`
};

struct alignas(64) WorkerEntry {
  Word phase;
  Word tasks;                    // finished by this worker
  Word64 failure;                // BlockId of a message with the initializer's exception
  Word64 busy_ns;                // spent in tasks
  Word64 running;                // index of the slot it works on + 1, a hint for people
  Gate stop;                     // its thread that waits for requests to stop sleeps here
  alignas(64) Word64 done_tail;  // entries ever written to its done ring
  alignas(64) os::CrashNote crash;
};
static_assert(sizeof(WorkerEntry) == 512);

struct alignas(64) BoardHeader {
  std::uint32_t workers;
  std::uint32_t slots;        // a power of two
  std::uint32_t tasks_limit;  // a worker retires after so many, 0 = never
  Word closing;               // 1: no more tasks will be posted; 2: leave at once
  Word64 initializer;         // BlockId of a message with a call, 0 = none

  alignas(64) Word64 tail;   // entries ever posted; written by the parent alone
  Gate work;                 // workers sleep here
  alignas(64) Word64 head;   // hint: entries before it were claimed
  alignas(64) Gate results;  // the parent sleeps here
  Word64 finished[16];       // a bit for each worker with entries in its done ring
};

inline constexpr std::uint32_t kMaxWorkers = 16 * 64;

}  // namespace mp::layout
