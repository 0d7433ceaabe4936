// SPDX-License-Identifier: Apache-2.0
// harness/kill_harness.hpp — kills an operation at every instruction and looks at who is left.
//
//     Shared<Counter> counter;
//     expect_survival({
//         .name = "Counter.add", .state = "fresh",
//         .setup = [&] { new (counter.get()) Counter; },
//         .run = [&] { counter->add(1); },
//         .verify = [&] { check(counter->is_sound(), "the counter is torn"); },
//     });
//
// One trial: a director is forked and sets up fresh shared state; it forks waiters, if the
// operation has any, which fall asleep; then the victim, which runs freely up to the operation,
// under ptrace up to the kill point, and is SIGKILLed there; then a survivor, which recovers and
// verifies. Survivors must end within the bound, 2 s, or they hang. A trial for each point:
//
//   one victim    killed at each instruction, and inside each system call that sleeps
//   two victims   the next operator, or the waiter whom the first death woke, is killed as well
//   two parties   A stopped at i, B run for j instructions, A killed, B runs on to its end
//   stopped       A stopped at i, alive: others do what a live but silent party allows them
//
// Points:  exhaustive when MP_KILL_STRIDE is 1; otherwise every n-th point from a random offset, n
//          from MP_KILL_STRIDE or such that a campaign has about 32 trials. MP_KILL_SEED repeats a
//          run; the seed is part of every report. Second points (j) are always drawn at
//          random, and first points of pairs too where they are very many.
// Loops:   an instruction that runs more than Plan::visits times in one operation is a kill point
//          the first so many times and the last; the rest is counted as skipped.
// Zombies: every other victim is left unreaped until the survivors are done: neither they nor the
//          code under test may depend on the parent's waitpid.
// Table:   what was done is printed when the program ends, and appended to the file that
//          MP_KILL_TABLE names.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "harness/tracee.hpp"

namespace mp::crash {

// Ends a verify() that finds the shared state wrong.
class Broken : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void check(bool holds, std::string_view otherwise) {
  if (!holds) {
    throw Broken{std::string{otherwise}};
  }
}

// What is killed. Everything runs in forked processes: one director for each trial, and its
// children. What they are to share is made before (test::Shared), or by setup.
struct Operation {
  std::string name = {};   // "Allocator.allocate"
  std::string state = {};  // "one block free"
  // Director: builds fresh shared state before each trial, and takes it apart after it.
  std::function<void()> setup = {};
  std::function<void()> teardown = {};
  // Victim, before the first kill point: what must not be part of the operation, as first uses.
  std::function<void()> warm = {};
  // Victim: the operation.
  std::function<void()> run = {};
  // The second victim or party, when it does something else than the first.
  std::function<void()> second = {};
  // Run before the victim and asleep when it starts; the first one may be the second victim.
  std::vector<std::function<void()>> waiters = {};
  // Director, after the kill: whether the waiters must now return without anybody's help. Always if
  // not given. Those that need not must return once verify has.
  std::function<bool()> owed = {};
  // Director: makes a victim that sleeps inside the operation go on. If not given, it sleeps
  // forever.
  std::function<void()> when_asleep = {};
  // While the victim is stopped at a point, alive.
  std::function<void()> while_stopped = {};
  // Survivor: recovers, goes on working, and checks every invariant.
  std::function<void()> verify = {};
  // Whether victims sit on one CPU with the director. That makes stops cheap, but code that asks
  // how many CPUs it may use after `warm` takes its one-CPU path.
  bool pinned = true;
};

struct Plan {
  std::size_t stride = 0;  // 0: such that there are about `trials`
  std::size_t first = 0;   // only positions from here
  std::size_t last = SIZE_MAX;
  std::size_t trials = 32;
  std::size_t pairs = 12;        // two-party and two-victim trials, when sampled
  std::size_t most_pairs = 500;  // the same when exhaustive; fewer if there are fewer points
  std::size_t visits = 64;       // kill points at one instruction
  std::size_t steps = 200'000;
  std::size_t findings = 8;  // a campaign ends when it has so many
  std::chrono::milliseconds bound = std::chrono::seconds{2};
  std::uint64_t seed = 0;

  bool is_exhaustive() const { return stride == 1; }
  // From MP_KILL_STRIDE, MP_KILL_SEED, and MP_KILL_RANGE=first-last to look at a finding again.
  static Plan from_environment();
};

enum class Fate { hung, broken, crashed };

struct Finding {
  Fate fate = Fate::broken;
  std::size_t position = 0;  // steps that the victim had done
  bool asleep = false;
  std::optional<std::size_t> second = {};  // steps of the second one
  std::uintptr_t instruction = 0;          // the next one that the victim would have run
  std::string text = {};
};

struct Campaign {
  std::string kind = {};
  std::string name = {};
  std::string state = {};
  std::size_t steps = 0;  // of the recorded run
  std::size_t trials = 0;
  std::size_t skipped = 0;  // repetitions of one instruction beyond Plan::visits
  std::size_t missed = 0;   // trials that left the recorded way; of one victim, done again by steps
  std::uint64_t seed = 0;
  std::vector<Finding> findings = {};

  std::string report() const;
};

Campaign kill_one(const Operation& operation, const Plan& plan = Plan::from_environment());
Campaign kill_two(const Operation& operation, const Plan& plan = Plan::from_environment());
Campaign interleave(const Operation& operation, const Plan& plan = Plan::from_environment());
// Expects: the operation has `while_stopped`.
Campaign stop_one(const Operation& operation, const Plan& plan = Plan::from_environment());

// Fails the running test for each finding, and enters what was done into the table.
void expect_survival(const Campaign& campaign);
// The same for every campaign that the operation allows.
void expect_survival(const Operation& operation, const Plan& plan = Plan::from_environment());

}  // namespace mp::crash
