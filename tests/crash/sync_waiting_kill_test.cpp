// SPDX-License-Identifier: Apache-2.0
// More states of the primitives under kills: victims that wait, releases that others sleep for, and
// owners that are stopped and alive.
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <optional>
#include <utility>

#include "mp/errors/error.hpp"
#include "mp/sync.hpp"

#include "harness/kill_harness.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;

// An operation on a primitive that is made anew for each trial.
template <class T, class... Args>
Operation on(std::optional<T>& object, const char* name, const char* state, Args... args) {
  return {.name = name,
          .state = state,
          .setup = [&object, args...] { object.emplace(args...); },
          .teardown = [&object] { object.reset(); },
          .warm =
              [&object] {
                static_cast<void>(memory::this_thread());
                const T handle = *object;  // this process counts as a holder from here on
              }};
}

TEST(LockWaitKill, IsNotAbandonedByAStoppedOwner) {
  std::optional<Lock> lock;
  Operation operation = on(lock, "Lock.acquire+release", "stopped");
  operation.run = [&] {
    lock->acquire();
    lock->release();
  };
  const auto take = [&](Deadline until) {
    if (lock->acquire(until)) {
      lock->release();
    }
  };
  operation.while_stopped = [&, take] { take(5ms); };  // OwnerDied would be a lie
  operation.second = [&, take] {
    try {
      take(Deadline::never());
    } catch (const OwnerDied&) {
      lock->recover();
      lock->release();
    }
  };
  operation.verify = operation.second;
  expect_survival(operation);
}

TEST(SemaphoreWaitKill, CountsWhatWasTaken) {
  std::optional<Semaphore> two;
  Operation operation = on(two, "Semaphore.acquire+release", "one of two free", 1);
  operation.run = [&] {
    two->acquire();
    two->release();
  };
  operation.second = [&] {  // the first may have died with the permit
    if (two->acquire(10ms)) {
      two->release();
    }
  };
  operation.verify = [&] {
    check(two->get_value() == 0 || two->get_value() == 1, "there is a permit too many");
    two->release();
    check(two->acquire(1s), "the permit cannot be had");
  };
  expect_survival(operation);
}

TEST(SemaphoreWaitKill, SurvivesItsSleepers) {
  std::optional<Semaphore> none;
  Operation operation = on(none, "Semaphore.acquire", "none free", 0);
  operation.run = [&] { none->acquire(); };
  operation.second = [&] { static_cast<void>(none->acquire(10ms)); };
  operation.when_asleep = [&] { none->release(); };
  operation.verify = [&] {
    none->release();
    check(none->acquire(1s), "the permit cannot be had");
  };
  expect_survival(operation);
}

TEST(SemaphoreWaitKill, LosesNoOwnedPermitThatOthersWaitFor) {
  std::optional<BoundedSemaphore> two;
  Operation operation = on(two, "BoundedSemaphore.release", "two sleepers", 2);
  operation.setup = [&] {
    two.emplace(2);
    two->acquire();
    two->acquire();
  };
  operation.run = [&] { two->release(2); };
  operation.second = [&] {
    try {
      two->release(2);
    } catch (const OverRelease&) {  // the first was quicker
    }
  };
  // A permit is no more the waiter's than anybody's: who releases for the dead may release it too,
  // and then the waiter has none left to give back.
  const auto release = [&] {
    try {
      two->release();
    } catch (const OverRelease&) {
    }
  };
  const auto pass = [&] {
    two->acquire();
    release();
  };
  operation.waiters = {pass, pass};
  operation.owed = [] { return false; };
  operation.verify = [&] {
    memory::bury_the_dead();
    while (two->get_value() < 2) {
      release();
    }
    check(two->acquire(1s), "the permit cannot be had");
    release();
  };
  expect_survival(operation);
}

TEST(EventWaitKill, SurvivesItsSleepers) {
  std::optional<Event> event;
  Operation operation = on(event, "Event.wait", "clear");
  operation.run = [&] { event->wait(); };
  operation.second = [&] { static_cast<void>(event->wait(10ms)); };
  operation.when_asleep = [&] { event->set(); };
  operation.verify = [&] {
    event->clear();
    check(!event->wait(0s), "the event cannot be cleared");
    event->set();
    check(event->wait(1s), "the event cannot be set");
  };
  expect_survival(operation);
}

TEST(EventWaitKill, IsSetOrClear) {
  std::optional<Event> event;
  Operation operation = on(event, "Event.set+clear", "nobody waits");
  operation.run = [&] {
    event->set();
    event->clear();
  };
  operation.verify = [&] {
    event->set();
    check(event->is_set() && event->wait(0s), "the event cannot be set");
    event->clear();
    check(!event->is_set(), "the event cannot be cleared");
  };
  expect_survival(operation);
}

TEST(ConditionWaitKill, SurvivesItsSleepers) {
  std::optional<Condition> condition;
  const auto enter = [&] {
    try {
      condition->acquire();
    } catch (const OwnerDied&) {
      condition->recover();
    }
  };
  const auto wait = [&, enter](Deadline until) {
    enter();
    try {
      condition->wait(until);
    } catch (const OwnerDied&) {
      condition->recover();
    }
    condition->release();
  };
  const auto notify = [&, enter] {
    enter();
    condition->notify_all();
    condition->release();
  };
  Operation operation = on(condition, "Condition.wait", "nobody else");
  operation.run = [wait] { wait(Deadline::never()); };
  operation.second = [wait] { wait(10ms); };
  operation.when_asleep = notify;
  operation.verify = [&, notify, wait] {
    notify();
    wait(0s);
    enter();
    check(condition->notify_all() == 0, "somebody dead is notified");
    condition->release();
  };
  expect_survival(operation);
}

TEST(BarrierWaitKill, IsAbortedOrNot) {
  std::optional<Barrier> meet;
  Operation operation = on(meet, "Barrier.abort", "two of three wait", 3);
  const auto wait = [&] {
    try {
      meet->wait();
    } catch (const BrokenBarrier&) {
    }
  };
  operation.run = [&] { meet->abort(); };
  operation.waiters = {wait, wait};
  operation.owed = [&] { return meet->broken(); };
  operation.verify = [&] {
    meet->abort();
    check(meet->broken(), "abort does not break");
    meet->reset();
    check(!meet->broken() && meet->n_waiting() == 0, "reset mends nothing");
  };
  expect_survival(operation);
}

}  // namespace
}  // namespace mp::crash
