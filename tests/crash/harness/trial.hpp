// SPDX-License-Identifier: Apache-2.0
// harness/trial.hpp — one trial: fresh state, a victim, its death, and those who are left.
//
// Each trial is directed by a process of its own, forked for it, that runs setup, is the parent of
// the victim, the waiters and the survivor, and ends with the trial. What a trial makes, an arena
// above all, is gone with it, so the trials of an operation are alike and do not touch the tester.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "harness/kill_harness.hpp"
#include "harness/trace.hpp"
#include "harness/tracee.hpp"

namespace mp::crash {

struct Verdict {
  std::vector<Finding> findings;
  bool reached = true;  // the victim came to its kill point the recorded way
  std::size_t number = 0;
  std::vector<std::uintptr_t> instructions;
  std::vector<std::size_t> sleeps;
};

class Trial {
 public:
  using Point = Trace::Point;

  Trial(const Operation& operation, const Plan& plan) : operation_{operation}, plan_{plan} {}

  // Runs the operation instruction by instruction, and kills nobody.
  Trace record();
  // Kills a victim at the point; going `by_steps` it needs no recorded way. A zombie is left to
  // the survivors where `reap` is false.
  Verdict kill_one(const Trace& trace, Point point, bool by_steps, bool reap);
  // Then kills the waiter whom that woke, or the next operator, after so many steps.
  Verdict kill_two(const Trace& trace, Point point, std::size_t steps);
  // How many steps that one makes after a first victim that died half way.
  std::size_t length_of_second(const Trace& trace);
  // Stops A at the point, runs B for so many steps, kills A, lets B run on.
  Verdict interleave(const Trace& trace, Point point, std::size_t steps);
  // Stops a party at the point, lets others act, lets it run on.
  Verdict stop_one(const Trace& trace, Point point);

 private:
  using Waiters = std::vector<std::unique_ptr<Party>>;

  // Runs `act` in a director and returns what it left in `verdict_`.
  Verdict direct(const std::function<void()>& act);

  // All below: in the director.
  Waiters start_waiters(std::size_t skip);
  std::unique_ptr<Tracee> start(const std::function<void()>& body);
  std::unique_ptr<Tracee> start_victim() { return start(operation_.run); }
  std::unique_ptr<Tracee> start_second();
  std::unique_ptr<Tracee> start_second_waiter();
  Stop past_sleep(Tracee& tracee, Stop stop);
  void seek(Tracee& tracee, const Trace& trace, Point point);
  bool hop(Tracee& tracee, const Trace& trace, Point point);
  std::size_t step(Tracee& tracee, std::size_t count);
  Stop wake(Tracee& waiter);
  void finish(Tracee& tracee, const char* who, const Finding& where);
  bool is_owed() const { return !operation_.owed || operation_.owed(); }
  void survive(Waiters& waiters, const Finding& where);
  void judge(const Ending& ending, const char* who, Finding where);

  const Operation& operation_;
  const Plan& plan_;
  const Stage* stage_ = nullptr;
  Verdict verdict_;
};

}  // namespace mp::crash
