// SPDX-License-Identifier: Apache-2.0
// Locks, semaphores, conditions, events and barriers, killed at every instruction: nobody hangs,
// what a lock guards is torn only where OwnerDied says so, and no owned permit is lost.
#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <optional>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "mp/errors/error.hpp"
#include "mp/sync.hpp"

#include "harness/kill_harness.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;

void register_thread() {
  static_cast<void>(memory::this_thread());
}

// Two numbers that are equal whenever nobody is inside the lock.
struct Pair {
  std::atomic<int> first{0};
  std::atomic<int> second{0};
};

template <class L>
class Locked {
 public:
  explicit Locked(on_owner_death policy) : policy_{policy} {}

  void make() {
    lock_.emplace(policy_);
    pair_->first = pair_->second = 0;
  }
  void unmake() { lock_.reset(); }
  L& lock() { return *lock_; }

  void work() {
    lock().acquire();
    inside();
    lock().release();
  }
  void mend() {
    lock().recover();
    pair_->second = pair_->first.load();
    inside();
    lock().release();
  }
  // As work, by somebody who mends what a dead owner has left.
  void work_or_mend(Deadline until = Deadline::never()) {
    try {
      check(lock().acquire(until), "the lock cannot be had");
    } catch (const OwnerDied&) {
      if (lock().recover()) {
        pair_->second = pair_->first.load();
      }
    }
    if (policy_ == on_owner_death::raise) {
      check(pair_->first == pair_->second, "the data are torn and nobody was told");
    } else {
      pair_->second = pair_->first.load();
    }
    inside();
    lock().release();
  }

  Operation operation(std::string name, std::string state) {
    return {.name = std::move(name),
            .state = std::move(state),
            .setup = [this] { make(); },
            .teardown = [this] { unmake(); },
            .warm =
                [this] {
                  register_thread();
                  static_cast<void>(lock().locked());
                },
            .run = [this] { work(); },
            .second = [this] { work_or_mend(); },
            .verify =
                [this] {
                  work_or_mend(2s);
                  work_or_mend(0s);
                }};
  }

 private:
  void inside() {
    pair_->first.fetch_add(1);
    pair_->second.fetch_add(1);
  }

  on_owner_death policy_;
  std::optional<L> lock_;
  test::Shared<Pair> pair_;
};

TEST(LockKill, LeavesAFreeLockFreeOrAbandoned) {
  Locked<Lock> subject{on_owner_death::raise};
  expect_survival(subject.operation("Lock.acquire+release", "free"));
}

TEST(LockKill, LeavesALockThatIsTakenOver) {
  Locked<Lock> subject{on_owner_death::release};
  expect_survival(subject.operation("Lock.acquire+release", "free, taken over"));
}

TEST(LockKill, LeavesARecursiveLock) {
  Locked<RLock> subject{on_owner_death::raise};
  Operation operation = subject.operation("RLock.acquire+release", "free, twice");
  operation.run = [&] {
    subject.lock().acquire();
    subject.work();
    subject.lock().release();
  };
  expect_survival(operation);
}

// A lock whose owner died. That it is abandoned is still to be found out.
Operation abandoned(Locked<Lock>& subject, const char* name, const char* state) {
  Operation operation = subject.operation(name, state);
  operation.setup = [&subject] {
    subject.make();
    const pid_t owner = ::fork();
    if (owner == 0) {
      subject.lock().acquire();
      ::_exit(0);
    }
    ::waitpid(owner, nullptr, 0);
  };
  return operation;
}

TEST(LockKill, LeavesALockInItsRecovery) {
  Locked<Lock> subject{on_owner_death::raise};
  Operation operation = abandoned(subject, "Lock.recover", "abandoned");
  operation.run = [&] { subject.mend(); };  // not by way of OwnerDied: the unwinder has 30000 steps
  expect_survival(operation);
}

TEST(LockKill, LeavesALockThatIsTakenOverFromTheDead) {
  Locked<Lock> subject{on_owner_death::release};
  expect_survival(abandoned(subject, "Lock.acquire+release", "abandoned, taken over"));
}

// The director holds the lock, others sleep on it, and the victim releases it, as any process may.
TEST(LockKill, LosesNoWakeUpOfItsRelease) {
  Locked<Lock> subject{on_owner_death::raise};
  Operation operation = subject.operation("Lock.release", "two sleepers");
  operation.setup = [&] {
    subject.make();
    subject.lock().acquire();
  };
  operation.run = [&] { subject.lock().release(); };
  operation.second = [&] {
    try {
      subject.lock().release();
    } catch (const OverRelease&) {  // the first was quicker
    } catch (const OwnerDied&) {    // a waiter that it had let in was killed
    }
  };
  operation.waiters = {[&] { subject.work_or_mend(); }, [&] { subject.work_or_mend(); }};
  operation.owed = [&] { return !subject.lock().locked(); };
  operation.verify = [&] {
    try {
      if (!subject.lock().acquire(50ms)) {
        subject.lock().release();  // the director's: the victim had not come so far
        subject.work_or_mend(2s);
        return;
      }
      subject.lock().release();
    } catch (const OwnerDied&) {
      subject.work_or_mend(2s);
    }
  };
  expect_survival(operation);
}

// The victim sleeps in acquire, and is woken by a release.
TEST(LockKill, LeavesALockWhoseWaiterWasWoken) {
  Locked<Lock> subject{on_owner_death::raise};
  Operation operation = subject.operation("Lock.acquire", "held");
  operation.setup = [&] {
    subject.make();
    subject.lock().acquire();
  };
  operation.when_asleep = [&] {
    try {
      if (memory::this_thread() != 0 && subject.lock().locked()) {
        subject.lock().release();
      }
    } catch (const OwnerDied&) {  // the first victim had it already; the sleeper is told as well
    }
  };
  operation.verify = [&] {
    try {
      if (!subject.lock().acquire(50ms)) {
        subject.lock().release();
        subject.work_or_mend(2s);
        return;
      }
      subject.lock().release();
    } catch (const OwnerDied&) {
      subject.work_or_mend(2s);
    }
  };
  expect_survival(operation);
}

TEST(SemaphoreKill, LosesNoOwnedPermit) {
  std::optional<BoundedSemaphore> two;
  expect_survival({.name = "BoundedSemaphore.acquire+release",
                   .state = "one of two free",
                   .setup =
                       [&] {
                         two.emplace(2);
                         two->acquire();
                       },
                   .teardown = [&] { two.reset(); },
                   .warm =
                       [&] {
                         register_thread();
                         static_cast<void>(two->get_value());
                       },
                   .run =
                       [&] {
                         two->acquire();
                         two->release();
                       },
                   .verify =
                       [&] {
                         memory::bury_the_dead();
                         check(two->get_value() == 1, "a permit is lost, or there is one too many");
                         check(two->acquire(1s), "the permit cannot be had");
                         check(!two->acquire(0s), "there is a permit too many");
                         two->release();
                       }});
}

TEST(SemaphoreKill, LosesNoWakeUpOfItsRelease) {
  std::optional<Semaphore> none;
  expect_survival({.name = "Semaphore.release",
                   .state = "two sleepers",
                   .setup = [&] { none.emplace(0); },
                   .teardown = [&] { none.reset(); },
                   .warm =
                       [&] {
                         register_thread();
                         static_cast<void>(none->get_value());
                       },
                   .run = [&] { none->release(2); },
                   .waiters = {[&] { none->acquire(); }, [&] { none->acquire(); }},
                   .owed = [&] { return none->get_value() > 0; },
                   .verify = [&] { none->release(4); }});
}

TEST(EventKill, WakesAllOrNone) {
  std::optional<Event> event;
  expect_survival({.name = "Event.set",
                   .state = "two sleepers",
                   .setup = [&] { event.emplace(); },
                   .teardown = [&] { event.reset(); },
                   .warm =
                       [&] {
                         register_thread();
                         static_cast<void>(event->is_set());
                       },
                   .run = [&] { event->set(); },
                   .waiters = {[&] { event->wait(); }, [&] { event->wait(); }},
                   .owed = [&] { return event->is_set(); },
                   .verify =
                       [&] {
                         event->set();
                         check(event->wait(0s), "the event is not set");
                       }});
}

TEST(ConditionKill, LeavesWaitersThatCanBeNotified) {
  std::optional<Condition> condition;
  const auto enter = [&] {
    try {
      condition->acquire();
    } catch (const OwnerDied&) {
      condition->recover();
    }
  };
  const auto wait = [&, enter] {
    enter();
    try {
      condition->wait();
    } catch (const OwnerDied&) {
      condition->recover();
    }
    condition->release();
  };
  expect_survival({.name = "Condition.notify_all",
                   .state = "two sleepers",
                   .setup = [&] { condition.emplace(); },
                   .teardown = [&] { condition.reset(); },
                   .warm =
                       [&] {
                         register_thread();
                         static_cast<void>(condition->locked());
                       },
                   .run =
                       [&, enter] {
                         enter();
                         condition->notify_all();
                         condition->release();
                       },
                   .waiters = {wait, wait},
                   .owed = [] { return false; },
                   .verify =
                       [&, enter] {
                         enter();
                         condition->notify_all();
                         condition->release();
                       }});
}

TEST(BarrierKill, BreaksOrLetsAllGo) {
  std::optional<Barrier> meet;
  const auto wait = [&](Deadline until) {
    try {
      meet->wait(until);
    } catch (const BrokenBarrier&) {
    }
  };
  expect_survival(
      {.name = "Barrier.wait",
       .state = "the last of three",
       .setup = [&] { meet.emplace(3); },
       .teardown = [&] { meet.reset(); },
       .warm =
           [&] {
             register_thread();
             static_cast<void>(meet->broken());
           },
       .run = [&, wait] { wait(Deadline::never()); },
       .second = [&, wait] { wait(100ms); },  // there may be nobody left to wait for
       .waiters = {[&, wait] { wait(Deadline::never()); }, [&, wait] { wait(Deadline::never()); }},
       .owed = [&] { return meet->broken() || meet->n_waiting() != 2; },
       .verify =
           [&, wait] {
             wait(10ms);  // comes in the victim's place, or breaks what is broken
             meet->reset();
             check(!meet->broken() && meet->n_waiting() == 0, "reset mends nothing");
           }});
}

}  // namespace
}  // namespace mp::crash
