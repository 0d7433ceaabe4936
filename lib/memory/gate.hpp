// SPDX-License-Identifier: Apache-2.0
// memory/gate.hpp — the one way to sleep on shared memory: an eventcount on a futex word.
//
// A gate is one word: a sequence number and a flag "somebody may be asleep". Waiting:
//
//     for (;;) {
//       const std::uint32_t key = gate_prepare(gate);   // raises the flag, then look:
//       if (condition()) break;
//       if (!gate_sleep(gate, key, until)) return false; // deadline passed
//     }
//
// Waking: make the condition true, then gate_wake(gate, n). It costs one load when nobody sleeps.
//
// Sleepers wait on {the gate's sequence, optionally the lease of a thread they depend on, the
// tree's gate}. The tree's gate is one word that is always zero: a waker that is killed between its
// commit and its wake-up has armed it (os::PendingWake), so the kernel wakes one sleeper there,
// and a sleeper woken there wakes all the others of the tree, who look again. Behind that stand
// slices: a sleep never lasts longer than a second (50 ms where the kernel has no futex_waitv).
//
// Order: what was written before gate_wake is seen after gate_sleep or gate_prepare returns.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "mp/base/deadline.hpp"

#include "memory/arena_layout.hpp"
#include "memory/threads.hpp"

namespace mp::memory {

// Announces a sleeper and returns the key for gate_sleep. Look at the condition after this.
[[nodiscard]] std::uint32_t gate_prepare(layout::Gate& gate) noexcept;

// The same for gates whose wakers make their condition true and then look for sleepers with no more
// than a light fence in between (fences.hpp).
[[nodiscard]] std::uint32_t gate_prepare_heavily(layout::Gate& gate) noexcept;

// Sleeps until the gate is woken after `key` was taken, the thread behind `owner` is gone (0 = do
// not watch anybody), somebody in the tree died, or a slice is over. Returns false when `until`
// has passed. Spurious returns are normal: look again.
bool gate_sleep(layout::Gate& gate, std::uint32_t key, Deadline until,
                ThreadTag owner = 0) noexcept;

// Wakes up to `n` sleepers. Call after the condition was made true.
void gate_wake(layout::Gate& gate, int n) noexcept;
inline constexpr int kAll = 0x7fffffff;

// Sleeps like gate_sleep on a bare futex word, for locks whose word is their own gate.
bool word_sleep(const layout::Word& word, std::uint32_t expected, Deadline until,
                ThreadTag owner = 0) noexcept;
// Wakes up to `n` sleepers of a bare word; returns how many were asleep.
int word_wake(const layout::Word& word, int n) noexcept;
// Wakes every sleeper of the tree, to look again.
void wake_the_tree() noexcept;
// The same, unless somebody did since the header's `deaths` was read as that: for those who sleep
// on the tree's gate themselves.
void wake_others_of_the_tree(std::uint32_t deaths) noexcept;

// Between its constructor and its destructor: should this thread be killed, the kernel wakes one
// sleeper on the tree's gate. Armed around {commit; wake}. Costs two stores.
class ArmedWake {
 public:
  ArmedWake() noexcept;
  ~ArmedWake();
  ArmedWake(const ArmedWake&) = delete;
  ArmedWake& operator=(const ArmedWake&) = delete;

 private:
  alignas(8) std::byte storage_[16];
};

}  // namespace mp::memory
