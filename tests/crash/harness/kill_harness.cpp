// SPDX-License-Identifier: Apache-2.0
#include "harness/kill_harness.hpp"

#include <algorithm>
#include <memory>
#include <random>

#include <sys/wait.h>

#include "harness/symbol.hpp"
#include "harness/trace.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/watchdog.hpp"

namespace mp::crash {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPassingSleep{300};  // a system call may sleep a little for its own reasons
constexpr std::chrono::seconds kTrialLimit{60};
constexpr std::size_t kLongestSecond = 2'000;

void call(const std::function<void()>& function) {
  if (function) {
    function();
  }
}

// The shared state of one trial.
class Scene {
 public:
  explicit Scene(const Operation& operation) : operation_{operation} {
    test::set_test_timeout(kTrialLimit);
    call(operation.setup);
  }

  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;
  ~Scene() { call(operation_.teardown); }

 private:
  const Operation& operation_;
};

class Runner {
 public:
  Runner(std::string kind, const Operation& operation, const Plan& plan)
      : operation_{operation}, plan_{plan}, random_{plan.seed} {
    campaign_.kind = std::move(kind);
    campaign_.name = operation.name;
    campaign_.state = operation.state;
    campaign_.seed = plan.seed;
  }

  Campaign kill_one();
  Campaign kill_two();
  Campaign interleave();
  Campaign stop_one();

 private:
  using Point = Trace::Point;

  // Forked processes of one trial that sleep when the victim starts, without the first `skip`.
  std::vector<std::unique_ptr<Party>> start_waiters(std::size_t skip);
  std::unique_ptr<Tracee> start_victim() { return start(operation_.run); }
  std::unique_ptr<Tracee> start_second() {
    return start(operation_.second ? operation_.second : operation_.run);
  }
  std::unique_ptr<Tracee> start(const std::function<void()>& body);
  Trace record();
  Stop past_sleep(Tracee& tracee, Stop stop);
  bool seek(Tracee& tracee, const Trace& trace, Point point);
  std::size_t step(Tracee& tracee, std::size_t count);
  bool kill_one_at(const Trace& trace, Point point, bool by_steps);
  std::unique_ptr<Tracee> start_second_waiter();
  Stop wake(Tracee& waiter, bool is_owed);
  bool kill_second(Tracee* waiter, std::size_t steps, const Finding& where);
  std::size_t length_of_second(const Trace& trace);

  std::vector<Point> first_points(const Trace& trace);
  std::vector<std::pair<Point, std::size_t>> pairs(const Trace& trace, std::size_t second_steps);
  void survive(std::vector<std::unique_ptr<Party>>& waiters, const Finding& where);
  void judge(const Ending& ending, const char* who, Finding where);
  void finish(Tracee& tracee, const char* who, const Finding& where);
  bool is_done() const { return campaign_.findings.size() >= plan_.findings; }
  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>{0, bound - 1}(random_);
  }

  const Operation& operation_;
  Plan plan_;
  Stage stage_;
  Campaign campaign_;
  std::mt19937_64 random_;
};

std::vector<std::unique_ptr<Party>> Runner::start_waiters(std::size_t skip) {
  std::vector<std::unique_ptr<Party>> waiters;
  for (std::size_t i = skip; i < operation_.waiters.size(); ++i) {
    waiters.push_back(std::make_unique<Party>(stage_, operation_.waiters[i]));
    const pid_t pid = waiters.back()->pid();
    if (!test::eventually([&] { return test::is_asleep(pid); })) {
      throw std::runtime_error{"a waiter does not fall asleep: " +
                               waiters.back()->wait(plan_.bound).describe()};
    }
  }
  return waiters;
}

std::unique_ptr<Tracee> Runner::start(const std::function<void()>& body) {
  return std::make_unique<Tracee>(
      stage_,
      [&] {
        call(operation_.warm);
        begin_operation();
        body();
        end_operation();
      },
      operation_.pinned);
}

// Makes a victim that sleeps go on, if the operation says how.
Stop Runner::past_sleep(Tracee& tracee, Stop stop) {
  if (stop != Stop::asleep) {
    return stop;
  }
  if (!operation_.when_asleep) {
    return tracee.wait_awake(kPassingSleep);
  }
  operation_.when_asleep();
  return tracee.wait_awake(plan_.bound);
}

Trace Runner::record() {
  const Scene scene{operation_};
  const auto waiters = start_waiters(0);
  const auto victim = start_victim();
  std::vector<std::uintptr_t> instructions{victim->instruction()};
  std::vector<std::size_t> sleeps;
  while (!victim->is_at_end()) {
    if (instructions.size() > plan_.steps) {
      throw std::runtime_error{"the operation takes more than " + std::to_string(plan_.steps) +
                               " steps; it is at " + symbol_of(victim->instruction())};
    }
    Stop stop = victim->step();
    if (stop == Stop::asleep) {
      sleeps.push_back(instructions.size() - 1);
      stop = past_sleep(*victim, stop);
    }
    if (stop == Stop::ended) {
      throw std::runtime_error{"the operation ends its process: " + victim->ending().describe()};
    }
    if (stop != Stop::trapped) {
      break;  // it sleeps for ever: that is where the trace ends
    }
    instructions.push_back(victim->instruction());
  }
  Trace trace{std::move(instructions), std::move(sleeps)};
  campaign_.steps = trace.steps();
  return trace;
}

// Brings the victim to the point by breakpoints. Returns whether it went the recorded way.
bool Runner::seek(Tracee& tracee, const Trace& trace, Point point) {
  std::size_t at = 0;
  for (const std::size_t next : trace.route(point.position)) {
    const Stop stop = next == at + 1 ? tracee.step() : tracee.run_to(trace.instruction(next));
    if (past_sleep(tracee, stop) != Stop::trapped ||
        tracee.instruction() != trace.instruction(next)) {
      return false;
    }
    at = next;
  }
  return !point.asleep || tracee.step() == Stop::asleep;
}

// Executes up to `count` instructions; fewer if the operation ends before, or sleeps.
std::size_t Runner::step(Tracee& tracee, std::size_t count) {
  std::size_t done = 0;
  while (done < count && !tracee.is_at_end() && tracee.step() == Stop::trapped) {
    ++done;
  }
  return done;
}

std::vector<Trace::Point> Runner::first_points(const Trace& trace) {
  const std::vector<Point> all = trace.points(plan_.visits);
  campaign_.skipped = trace.points(trace.steps() + 1).size() - all.size();
  const std::size_t stride =
      plan_.stride != 0 ? plan_.stride : std::max<std::size_t>(1, all.size() / plan_.trials);
  std::vector<Point> chosen;
  for (std::size_t i = below(stride); i < all.size(); i += stride) {
    chosen.push_back(all[i]);
  }
  return chosen;
}

std::vector<std::pair<Trace::Point, std::size_t>> Runner::pairs(const Trace& trace,
                                                                std::size_t second_steps) {
  std::vector<std::pair<Point, std::size_t>> chosen;
  const std::vector<Point> all = trace.points(plan_.visits);
  if (plan_.is_exhaustive()) {
    for (const Point& point : all) {
      for (std::size_t i = 0; i < plan_.seconds; ++i) {
        chosen.emplace_back(point, below(second_steps + 1));
      }
    }
  } else {
    for (std::size_t i = 0; i < plan_.pairs; ++i) {
      chosen.emplace_back(all[below(all.size())], below(second_steps + 1));
    }
  }
  return chosen;
}

void Runner::judge(const Ending& ending, const char* who, Finding where) {
  if (ending.is_clean()) {
    return;
  }
  where.fate = !ending.in_time              ? Fate::hung
               : WIFSIGNALED(ending.status) ? Fate::crashed
                                            : Fate::broken;
  where.text = std::string{who} + ": " + ending.describe();
  campaign_.findings.push_back(std::move(where));
}

void Runner::survive(std::vector<std::unique_ptr<Party>>& waiters, const Finding& where) {
  const auto see_off = [&] {
    for (auto& waiter : waiters) {
      judge(waiter->wait(plan_.bound), "a waiter", where);
    }
    waiters.clear();
  };
  if (!waiters.empty() && (!operation_.owed || operation_.owed())) {
    see_off();
  }
  Party survivor{stage_, operation_.verify};
  judge(survivor.wait(plan_.bound), "the survivor", where);
  see_off();
}

// Kills a victim at the point. Returns whether it got there the recorded way; going by steps, it
// always does, or at least it dies after as many steps.
bool Runner::kill_one_at(const Trace& trace, Point point, bool by_steps) {
  const Scene scene{operation_};
  auto waiters = start_waiters(0);
  const auto victim = start_victim();
  bool reached = true;
  if (by_steps) {
    step(*victim, point.position + (point.asleep ? 1 : 0));
  } else {
    reached = seek(*victim, trace, point);
  }
  const Finding where{.position = point.position,
                      .asleep = point.asleep,
                      .instruction = trace.instruction(point.position)};
  if (victim->party().is_reaped()) {
    judge(victim->ending(), "the victim, before it was killed", where);
  } else {
    victim->party().kill(campaign_.trials % 2 == 0);
  }
  survive(waiters, where);
  ++campaign_.trials;
  return reached;
}

Campaign Runner::kill_one() {
  const Trace trace = record();
  for (const Point& point : first_points(trace)) {
    if (!kill_one_at(trace, point, false)) {
      ++campaign_.missed;
      kill_one_at(trace, point, true);
    }
    if (is_done()) {
      break;
    }
  }
  return campaign_;
}

// The first waiter under ptrace, asleep, so that it stops when its sleep ends.
std::unique_ptr<Tracee> Runner::start_second_waiter() {
  auto waiter = start(operation_.waiters.front());
  if (waiter->run_to_sleep() != Stop::asleep) {
    throw std::runtime_error{"the first waiter does not fall asleep: " +
                             waiter->ending().describe()};
  }
  return waiter;
}

// Waits for the end of a waiter's sleep; for a moment only, where nobody owes it that.
Stop Runner::wake(Tracee& waiter, bool is_owed) {
  return is_owed ? waiter.wait_awake(plan_.bound) : waiter.wait(plan_.bound);
}

// The second death, after the first: of the waiter whom that woke, or else of the next operator.
// Returns whether that one lived for so many steps.
bool Runner::kill_second(Tracee* waiter, std::size_t steps, const Finding& where) {
  std::unique_ptr<Tracee> next;
  if (waiter == nullptr) {
    next = start_second();
    waiter = next.get();
  } else if (const bool is_owed = !operation_.owed || operation_.owed();
             wake(*waiter, is_owed) != Stop::trapped) {
    if (is_owed) {
      judge(waiter->ending(), "the woken waiter", where);
    }
    steps = 0;  // it dies in its sleep
  }
  const std::size_t done = step(*waiter, steps);
  if (waiter->party().is_reaped()) {
    judge(waiter->ending(), "the second victim, before it was killed", where);
  } else {
    waiter->party().kill();
  }
  return done == steps;
}

// How many instructions the second victim runs, after a first one that died half way.
std::size_t Runner::length_of_second(const Trace& trace) {
  const Scene scene{operation_};
  const bool has_waiter = !operation_.waiters.empty();
  const auto waiter = has_waiter ? start_second_waiter() : nullptr;
  const auto victim = start_victim();
  seek(*victim, trace, {.position = trace.steps() / 2});
  victim->party().kill();
  const auto next = has_waiter ? nullptr : start_second();
  if (has_waiter && wake(*waiter, !operation_.owed || operation_.owed()) != Stop::trapped) {
    return 0;
  }
  return step(has_waiter ? *waiter : *next, kLongestSecond);
}

Campaign Runner::kill_two() {
  const Trace trace = record();
  const bool has_waiter = !operation_.waiters.empty();
  for (const auto& [point, steps] : pairs(trace, length_of_second(trace))) {
    const Scene scene{operation_};
    const auto waiter = has_waiter ? start_second_waiter() : nullptr;
    auto others = start_waiters(has_waiter ? 1 : 0);
    const Finding where{.position = point.position,
                        .asleep = point.asleep,
                        .second = steps,
                        .instruction = trace.instruction(point.position)};
    {
      const auto victim = start_victim();
      seek(*victim, trace, point);
      victim->party().kill();
    }
    kill_second(waiter.get(), steps, where);
    survive(others, where);
    ++campaign_.trials;
    if (is_done()) {
      break;
    }
  }
  return campaign_;
}

Campaign Runner::interleave() {
  const Trace trace = record();
  for (const auto& [point, steps] : pairs(trace, trace.steps())) {
    const Scene scene{operation_};
    auto waiters = start_waiters(0);
    const auto victim = start_victim();
    seek(*victim, trace, point);
    const auto other = start_second();
    step(*other, steps);
    victim->party().kill();
    const Finding where{.position = point.position,
                        .asleep = point.asleep,
                        .second = steps,
                        .instruction = trace.instruction(point.position)};
    finish(*other, "the other party", where);
    survive(waiters, where);
    ++campaign_.trials;
    if (is_done()) {
      break;
    }
  }
  return campaign_;
}

Campaign Runner::stop_one() {
  const Trace trace = record();
  for (const Point& point : first_points(trace)) {
    const Scene scene{operation_};
    auto waiters = start_waiters(0);
    const auto victim = start_victim();
    seek(*victim, trace, point);
    const Finding where{.position = point.position,
                        .asleep = point.asleep,
                        .instruction = trace.instruction(point.position)};
    Party other{stage_, operation_.while_stopped};
    judge(other.wait(plan_.bound), "another party, beside the stopped one", where);
    finish(*victim, "the stopped party, going on", where);
    survive(waiters, where);
    ++campaign_.trials;
    if (is_done()) {
      break;
    }
  }
  return campaign_;
}

// Lets a tracee, stopped or asleep, run on to the end of its process, and judges that.
void Runner::finish(Tracee& tracee, const char* who, const Finding& where) {
  Stop stop = tracee.is_stopped() ? Stop::trapped : past_sleep(tracee, Stop::asleep);
  if (stop == Stop::trapped) {
    stop = past_sleep(tracee, tracee.run_on());
  }
  judge(tracee.ending(), who, where);
}

}  // namespace

Campaign kill_one(const Operation& operation, const Plan& plan) {
  return Runner{"one victim", operation, plan}.kill_one();
}

Campaign kill_two(const Operation& operation, const Plan& plan) {
  return Runner{"two victims", operation, plan}.kill_two();
}

Campaign interleave(const Operation& operation, const Plan& plan) {
  return Runner{"two parties", operation, plan}.interleave();
}

Campaign stop_one(const Operation& operation, const Plan& plan) {
  return Runner{"stopped", operation, plan}.stop_one();
}

}  // namespace mp::crash
