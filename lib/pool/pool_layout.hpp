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
// Who posts a task wakes a worker only if there are more tasks than workers that look for one: one
// that stops looking, because it has found a task, looks whether there are more of them.
//
//   slot state: [63:32] sequence  [31:8] worker  [7:0] SlotPhase
#pragma once

#include <cstddef>
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
  static constexpr std::uint32_t kInline = 184;
  Word64 state;
  Word64 task;      // BlockId of a message with the call, 0: the call is in `bytes`
  Word64 result;    // BlockId of a message with the outcome, 0: the outcome is in `bytes`
  Word64 spared;    // BlockId of a message with outcomes of items that are not to be run, 0: none
  Word64 begun;     // when its worker began, CLOCK_MONOTONIC in ns; 0 before
  Word64 position;  // in the order ring: an older entry for this slot is none of this task's
  Word64 stream;    // what task_seed() is made from
  Word size;        // bytes in `bytes`
  Word item;        // of a call of many items: the one at work + 1
  Word heeds;       // 1: the task has asked whether it is to stop
  Word stop;        // 1: it is
  std::byte bytes[kInline];
};
static_assert(sizeof(TaskSlot) == 256);

enum class WorkerPhase : std::uint32_t {
  starting = 0,
  working = 1,
  retired = 2,      // leaves in order, having done as many tasks as it may
  init_failed = 3,  // its initializer threw; the exception is in `failure`
};

// What a worker is for, and the CPU it is to run on + 1 (0: any): [31:8] CPU  [7:0] Role. A worker
// that has done its share hands over by one CAS on a standby's word, which carries the CPU.
enum class Role : std::uint8_t {
  none = 0,     // nobody's, or a worker's that has handed over or is not counted
  standby = 1,  // waits until it is made active
  active = 2,
};
constexpr std::uint32_t worker_role(Role role, std::uint32_t cpu_plus_1) {
  return cpu_plus_1 << 8 | static_cast<std::uint8_t>(role);
}
constexpr Role role_of(std::uint32_t word) {
  return static_cast<Role>(word & 0xff);
}
constexpr std::uint32_t cpu_plus_1_of(std::uint32_t word) {
  return word >> 8;
}

// Whether a worker is to end when it is in no task.
enum class Leave : std::uint32_t {
  no = 0,
  replaced = 1,  // somebody takes its place
  for_good = 2,  // the pool becomes smaller
};

// One of the slowest tasks of a worker. `ns` is 0 while it is written.
struct SlowTask {
  static constexpr std::uint32_t kName = 72;
  static constexpr std::uint32_t kBytes = 32;
  Word64 ns;
  std::uint64_t size;  // bytes of the call, of which the first are here
  char name[kName];    // of the callable, up to a zero
  std::byte bytes[kBytes];
  Word64 unused;
};
static_assert(sizeof(SlowTask) == 128);

// Where the time of a place goes: when the present worker came to each step of its life, and what
// those before it spent. CLOCK_MONOTONIC in ns; 0: not yet. `busy_ns` is the work among `present`.
struct WorkerTimes {
  Word64 asked;    // the parent asked for the process
  Word64 entered;  // it runs our code
  Word64 ready;    // its initializer has returned
  Word64 left;     // it begins no more tasks
  Word64 start_sum;
  Word64 init_sum;
  Word64 present_sum;
  Word64 exit_sum;

  // A standby becomes active: the time until now is not counted, as if it had been made later.
  void wake(std::uint64_t now) noexcept {
    const std::uint64_t idle = now - ready.load(std::memory_order_relaxed);
    asked.fetch_add(idle, std::memory_order_relaxed);
    entered.fetch_add(idle, std::memory_order_relaxed);
    ready.store(now, std::memory_order_relaxed);
  }
};

struct alignas(64) WorkerEntry {
  static constexpr std::size_t kSlowest = 4;
  Word phase;
  Word tasks;                    // finished by this worker
  Word64 failure;                // BlockId of a message with the initializer's exception
  Word64 busy_ns;                // spent in tasks
  Word64 running;                // index of the slot it works on + 1, a hint for people
  Gate stop;                     // its thread that waits for requests to stop sleeps here, and
                                 // itself while it is a standby
  Word role;                     // Role and CPU
  Word leave;                    // Leave
  Word64 farewell;               // BlockId of a message with the outcome of its last call
  alignas(64) Word64 done_tail;  // entries ever written to its done ring
  alignas(64) os::CrashNote crash;
  alignas(64) WorkerTimes times;
  SlowTask slowest[kSlowest];
  Word64 tasks_before;  // finished by those before this worker
};
static_assert(sizeof(WorkerEntry) == 1152);

struct alignas(64) BoardHeader {
  std::uint32_t workers;
  std::uint32_t slots;        // a power of two
  std::uint32_t tasks_limit;  // a worker retires after so many, 0 = never
  Word closing;               // 1: no more tasks will be posted; 2: leave at once
  Word64 initializer;         // BlockId of a message with a call, 0 = none
  Word64 last_call;           // likewise: what a worker does when it ends in order

  alignas(64) Word64 tail;         // entries ever posted; written by the parent alone
  Gate work;                       // workers sleep here
  Word64 quiet_until;              // outcomes wake the parent only once the head has come so far
  alignas(64) Word64 head;         // hint: entries before it were claimed
  alignas(64) Gate results;        // the parent sleeps here
  Word64 finished[16];             // a bit for each worker with entries in its done ring
  alignas(64) Word64 looking[16];  // a bit for each worker that is awake and looks for a task

  static std::uint64_t bit_of(std::uint32_t worker) noexcept {
    return std::uint64_t{1} << (worker % 64);
  }
};

inline constexpr std::uint32_t kMaxWorkers = 16 * 64;

}  // namespace mp::layout
