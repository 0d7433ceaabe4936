// SPDX-License-Identifier: Apache-2.0
// The harness proves itself on small protocols whose faults are known: it must find each broken
// one, at the right instruction, and must find nothing in the sound ones.
#include <atomic>
#include <chrono>
#include <gmock/gmock.h>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/kill_harness.hpp"
#include "harness/ledger.hpp"
#include "harness/symbol.hpp"
#include "harness/trace.hpp"
#include "harness/trial.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/scratch_dir.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;
using test::Shared;
using testing::Each;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// Exhaustive, whatever the environment says.
Plan every_point() {
  return {.stride = 1, .bound = 300ms, .seed = 42};
}

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen) {
  ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<std::uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1000, nullptr, nullptr, 0);
}

// Two stores that belong together, and nothing that tells which of them was done.
struct TornPair {
  std::atomic<int> first{0};
  std::atomic<int> second{0};
};

Operation torn_pair(const Shared<TornPair>& pair) {
  return {.name = "TornPair.add",
          .state = "fresh",
          .setup = [&] { pair->first = pair->second = 0; },
          .run =
              [&] {
                pair->first.store(1);
                pair->second.store(1);
              },
          .verify =
              [&] {
                check(pair->first == pair->second,
                      pair->first == 1 ? "only the first half" : "only the second half");
              }};
}

TEST(KillHarness, FindsATornPairAndTheInstructionsBetweenItsHalves) {
  const Shared<TornPair> pair;
  const Campaign campaign = kill_one(torn_pair(pair), every_point());
  EXPECT_EQ(campaign.trials, campaign.steps + 1);
  EXPECT_EQ(campaign.missed, 0U);
  ASSERT_FALSE(campaign.findings.empty()) << campaign.report();
  // The points between the two stores, and no others: they follow each other.
  for (std::size_t i = 0; i < campaign.findings.size(); ++i) {
    const Finding& finding = campaign.findings[i];
    EXPECT_EQ(finding.fate, Fate::broken);
    EXPECT_EQ(finding.position, campaign.findings[0].position + i);
    EXPECT_THAT(finding.text, HasSubstr("only the first half"));
  }
  EXPECT_GT(campaign.findings.front().position, 0U);
  EXPECT_LT(campaign.findings.back().position, campaign.steps);
  EXPECT_LE(campaign.findings.size(), 4U);
  EXPECT_THAT(campaign.report(), HasSubstr("at harness_test.cpp"));
}

TEST(KillHarness, FindsATornPairByTwoVictimsAndByTwoParties) {
  const Shared<TornPair> pair;
  Operation operation = torn_pair(pair);
  operation.second = [] {};
  EXPECT_FALSE(kill_two(operation, every_point()).findings.empty());
  EXPECT_FALSE(interleave(operation, every_point()).findings.empty());
}

TEST(KillHarness, FindsNothingInASingleCommit) {
  const Shared<std::atomic<int>> counter;
  const Operation operation{.name = "Counter.add",
                            .state = "fresh",
                            .setup = [&] { counter->store(0); },
                            .run = [&] { counter->fetch_add(1); },
                            .while_stopped = [&] { counter->fetch_add(1); },
                            .verify =
                                [&] {
                                  const int before = counter->load();
                                  check(before >= 0 && before <= 3, "out of range");
                                  counter->fetch_add(1);
                                  check(counter->load() == before + 1, "not counted");
                                }};
  for (const Campaign& campaign :
       {kill_one(operation, every_point()), kill_two(operation, every_point()),
        interleave(operation, every_point()), stop_one(operation, every_point())}) {
    EXPECT_THAT(campaign.findings, IsEmpty()) << campaign.report();
    EXPECT_EQ(campaign.trials, campaign.steps + 1) << campaign.kind;
  }
}

TEST(KillHarness, RecordsTheSameNumberOfInstructionsEachTime) {
  const Shared<std::atomic<int>> counter;
  const Operation operation{.name = "Counter.add",
                            .state = "in a loop",
                            .setup = [&] { counter->store(0); },
                            .run =
                                [&] {
                                  for (int i = 0; i < 10; ++i) {
                                    counter->fetch_add(i);
                                  }
                                },
                            .verify = [] {}};
  Plan plan = every_point();
  plan.stride = 1'000'000;  // record only
  const std::size_t steps = kill_one(operation, plan).steps;
  EXPECT_GT(steps, 30U);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(kill_one(operation, plan).steps, steps);
  }
}

// A lock that does not know who has it.
struct OwnerlessLock {
  std::atomic<std::uint32_t> word{0};

  void lock() {
    while (word.exchange(1) != 0) {
      futex_wait(word, 1);
    }
  }

  void unlock() {
    word.store(0);
    futex_wake(word);
  }
};

Operation ownerless_lock(const Shared<OwnerlessLock>& lock) {
  return {.name = "OwnerlessLock",
          .state = "free",
          .setup = [&] { lock->word = 0; },
          .run =
              [&] {
                lock->lock();
                lock->unlock();
              },
          .verify = [&] { lock->lock(); }};
}

TEST(KillHarness, CountsALookAtTheClockAsOneStep) {
  Operation operation{.name = "now", .state = "", .verify = [] {}};
  operation.run = [] { static_cast<void>(std::chrono::steady_clock::now()); };
  const Plan plan = every_point();
  const Trace trace = Trial{operation, plan}.record();
  for (std::size_t k = 0; k <= trace.steps(); ++k) {
    EXPECT_THAT(symbol_of(trace.instruction(k)), Not(HasSubstr("vdso"))) << k;
  }
  EXPECT_THAT(kill_one(operation, plan).findings, IsEmpty());
}

TEST(KillHarness, FindsThatALockWithoutOwnerHangsItsSurvivors) {
  const Shared<OwnerlessLock> lock;
  Plan plan = every_point();
  plan.findings = 3;
  const auto began = std::chrono::steady_clock::now();
  const Campaign campaign = kill_one(ownerless_lock(lock), plan);
  ASSERT_FALSE(campaign.findings.empty());
  EXPECT_THAT(campaign.findings, Each(Field(&Finding::fate, Fate::hung)));
  EXPECT_THAT(campaign.report(), HasSubstr("does not end: state S in futex"));
  EXPECT_THAT(campaign.report(), HasSubstr("lock at harness_test.cpp"));
  // It takes the bound to see a hang, not the time that hangs last.
  EXPECT_GE(std::chrono::steady_clock::now() - began, plan.bound * campaign.findings.size());
}

TEST(KillHarness, TellsASpinningSurvivorFromAStarvedOne) {
  const Shared<std::atomic<std::uint32_t>> word;
  const Operation operation{.name = "Spin",
                            .state = "held",
                            .setup = [&] { word->store(0); },
                            .run = [&] { word->store(1); },
                            .verify =
                                [&] {
                                  while (word->load() == 1) {
                                  }
                                }};
  Plan plan = every_point();
  plan.findings = 1;
  const Campaign campaign = kill_one(operation, plan);
  ASSERT_THAT(campaign.findings, SizeIs(1));
  EXPECT_EQ(campaign.findings[0].fate, Fate::hung);
  EXPECT_THAT(campaign.findings[0].text, HasSubstr("state R"));
}

TEST(KillHarness, FindsSurvivorsThatCrash) {
  const Shared<std::atomic<int>> value;
  const Operation operation{.name = "Crash",
                            .state = "",
                            .setup = [&] { value->store(0); },
                            .run = [&] { value->store(1); },
                            .verify =
                                [&] {
                                  if (value->load() == 1) {
                                    ::raise(SIGSEGV);
                                  }
                                }};
  const Campaign campaign = kill_one(operation, every_point());
  ASSERT_FALSE(campaign.findings.empty());
  EXPECT_THAT(campaign.findings, Each(Field(&Finding::fate, Fate::crashed)));
}

// A flag that a waiter sleeps on; set() may wake too late, or not at all when killed.
struct Flag {
  std::atomic<std::uint32_t> word{0};

  void set() {
    word.store(1);
    futex_wake(word);
  }

  void wait() {
    while (word.load() == 0) {
      futex_wait(word, 0);
    }
  }
};

TEST(KillHarness, FindsTheWakeUpThatIsLostBetweenCommitAndWake) {
  const Shared<Flag> flag;
  const Operation operation{.name = "Flag.set",
                            .state = "one waiter",
                            .setup = [&] { flag->word = 0; },
                            .run = [&] { flag->set(); },
                            .waiters = {[&] { flag->wait(); }},
                            .owed = [&] { return flag->word == 1; },
                            .verify = [&] { flag->set(); }};
  Plan plan = every_point();
  plan.findings = 2;
  const Campaign campaign = kill_one(operation, plan);
  ASSERT_THAT(campaign.findings, SizeIs(2));
  EXPECT_THAT(campaign.findings, Each(Field(&Finding::fate, Fate::hung)));
  EXPECT_THAT(campaign.report(), HasSubstr("a waiter: does not end"));
  // The waiter whom the set woke is killed as well: nobody is left who could be owed anything.
  EXPECT_GT(kill_two(operation, plan).trials, 0U);
}

TEST(KillHarness, KillsASleeperAndTakesOneThatIsWokenToTheEnd) {
  const Shared<Flag> flag;
  Operation operation{.name = "Flag.wait",
                      .state = "clear",
                      .setup = [&] { flag->word = 0; },
                      .run = [&] { flag->wait(); },
                      .when_asleep = [&] { flag->set(); },
                      .verify =
                          [&] {
                            flag->set();
                            flag->wait();
                          }};
  const Campaign woken = kill_one(operation, every_point());
  EXPECT_THAT(woken.findings, IsEmpty()) << woken.report();
  EXPECT_EQ(woken.trials, woken.steps + 2);  // each position, and the sleep
  EXPECT_EQ(woken.missed, 0U);

  operation.when_asleep = nullptr;
  const Campaign asleep = kill_one(operation, every_point());
  EXPECT_THAT(asleep.findings, IsEmpty()) << asleep.report();
  EXPECT_EQ(asleep.trials, asleep.steps + 2);
  EXPECT_LT(asleep.steps, woken.steps);
}

TEST(KillHarness, FindsWhoDoesNotCopeWithAStoppedParty) {
  const Shared<OwnerlessLock> lock;
  Operation operation = ownerless_lock(lock);
  operation.while_stopped = [&] { lock->lock(); };
  operation.verify = [] {};
  Plan plan = every_point();
  plan.findings = 1;
  EXPECT_THAT(stop_one(operation, plan).findings, SizeIs(1));
}

TEST(KillHarness, SpeaksOfAnOperationThatFails) {
  Operation operation{.name = "Bad", .state = "", .run = [] { ::_exit(3); }, .verify = [] {}};
  EXPECT_THROW(kill_one(operation, every_point()), std::runtime_error);
  operation.run = [] {};
  operation.warm = [] { throw std::runtime_error{"on purpose"}; };
  EXPECT_THROW(kill_one(operation, every_point()), std::runtime_error);
}

TEST(KillHarness, LeavesNobodyBehindWhenATrialFails) {
  Shared<std::atomic<pid_t>> orphan;
  std::optional<test::Child> child;
  const Operation fails = {.name = "Broken",
                           .state = "setup throws",
                           .setup =
                               [&] {
                                 child.emplace([] { ::pause(); });
                                 orphan->store(child->pid());
                                 throw std::runtime_error{"no stage"};
                               },
                           .run = [] {},
                           .verify = [] {}};
  EXPECT_THROW(static_cast<void>(kill_one(fails, every_point())), std::runtime_error);
  int status = 0;  // a test adopts its orphans
  EXPECT_EVENTUALLY(::waitpid(*orphan, &status, WNOHANG) == *orphan);
  // By the signal, or by itself where its parent was gone before it could ask for the signal.
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == test::kThrew) << status;
}

TEST(KillHarness, SamplesReproduciblyFromItsSeed) {
  const Shared<TornPair> pair;
  Plan plan = every_point();
  plan.stride = 3;
  const Campaign first = kill_one(torn_pair(pair), plan);
  const Campaign again = kill_one(torn_pair(pair), plan);
  ASSERT_EQ(first.findings.size(), again.findings.size());
  for (std::size_t i = 0; i < first.findings.size(); ++i) {
    EXPECT_EQ(first.findings[i].position, again.findings[i].position);
  }
  EXPECT_LE(first.trials, first.steps / 3 + 1);
}

TEST(Trace, RoutesRunStraightOverWhatHappensOnce) {
  const Trace trace{{10, 11, 12, 13, 14, 15}, {}};
  EXPECT_EQ(trace.steps(), 5U);
  EXPECT_THAT(trace.route(0), IsEmpty());
  EXPECT_THAT(trace.route(5), testing::ElementsAre(5));
}

TEST(Trace, RoutesLeaveLoopsByTheShortestWay) {
  // Ten turns of {20, 21}, then 30, and 21 once more.
  std::vector<std::uintptr_t> run{10};
  for (int i = 0; i < 10; ++i) {
    run.push_back(20);
    run.push_back(21);
  }
  run.push_back(30);
  run.push_back(21);
  const Trace trace{run, {}};
  EXPECT_THAT(trace.route(22), testing::ElementsAre(21, 22));  // straight to 30, then on
  for (std::size_t position = 0; position <= trace.steps(); ++position) {
    std::size_t at = 0;
    for (const std::size_t next : trace.route(position)) {
      if (next != at + 1) {
        // A breakpoint stops at the first execution after the current position.
        for (std::size_t between = at; between < next; ++between) {
          EXPECT_NE(trace.instruction(between), trace.instruction(next));
        }
      }
      at = next;
    }
    EXPECT_EQ(at, position);
  }
}

TEST(Trace, CountsRepetitionsUpToALimitAndTheLastOne) {
  const Trace trace{{1, 2, 2, 2, 2, 2, 3}, {2}};
  const std::vector<Trace::Point> expected{{0, false}, {1, false}, {2, false},
                                           {2, true},  {5, false}, {6, false}};
  EXPECT_EQ(trace.points(2), expected);
  EXPECT_THAT(trace.points(100), SizeIs(8));
}

TEST(Ledger, AddsUpCampaignsAndAppendsToItsFile) {
  Ledger ledger;
  Campaign campaign{.kind = "one victim", .name = "A.b", .state = "empty", .steps = 7, .trials = 8};
  ledger.enter(campaign);
  campaign.kind = "two victims";
  campaign.findings = {Finding{.fate = Fate::hung}, Finding{.fate = Fate::crashed}};
  ledger.enter(campaign);
  const std::string row = "| A.b | empty | 7 | 8 | 0 | 8 | 0 | 0 | 1 | 1 |\n";
  std::ostringstream text;
  ledger.print(text, false);
  EXPECT_EQ(text.str(), row);
  const test::ScratchDir folder;
  const std::string path = folder / "table.md";
  ledger.append_to(path);
  ledger.append_to(path);
  std::ostringstream twice;
  ledger.print(twice);
  EXPECT_EQ(test::slurp(path), twice.str() + row);
}

}  // namespace
}  // namespace mp::crash
