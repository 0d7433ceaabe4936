// SPDX-License-Identifier: Apache-2.0
// Every primitive with every kind of timeout, and in a process that never got it.
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "mp/errors/error.hpp"
#include "mp/queue.hpp"
#include "mp/sync.hpp"

#include "memory/arena.hpp"
#include "support/child.hpp"
#include "support/rendezvous.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

// A bounded call that has nothing to wait for, and one that waits in vain.
struct Bounded {
  std::string name;
  std::function<bool(Deadline)> succeeds;
  std::function<bool(Deadline)> waits;
};

std::vector<Bounded> all_bounded_calls() {
  const auto held = [](auto lock) {
    lock.acquire();
    return lock;
  };
  std::vector<Bounded> all;
  all.push_back({"Lock",
                 [lock = Lock{}](Deadline until) mutable {
                   const bool got = lock.acquire(until);
                   lock.release();
                   return got;
                 },
                 [lock = held(Lock{})](Deadline until) mutable { return lock.acquire(until); }});
  all.push_back({"RLock",
                 [lock = RLock{}](Deadline until) mutable {
                   const bool got = lock.try_lock_for(until) && lock.acquire(until);
                   lock.release();
                   lock.release();
                   return got;
                 },
                 // Held by another process: to its owner it is always free.
                 [lock = RLock{}](Deadline until) mutable {
                   lock.acquire();
                   const bool got =
                       Child{[&] { return lock.acquire(until) ? 1 : 0; }}.wait() == exited(1);
                   lock.release();
                   return got;
                 }});
  all.push_back({"Semaphore",
                 [two = Semaphore{1}](Deadline until) mutable {
                   const bool got = two.acquire(until);
                   two.release();
                   return got;
                 },
                 [none = Semaphore{0}](Deadline until) mutable { return none.acquire(until); }});
  all.push_back(
      {"BoundedSemaphore",
       [two = BoundedSemaphore{2}](Deadline until) mutable {
         const bool got = two.try_lock_for(until);
         two.release();
         return got;
       },
       [none = held(BoundedSemaphore{1})](Deadline until) mutable { return none.acquire(until); }});
  all.push_back({"Event",
                 [event =
                      [] {
                        Event event;
                        event.set();
                        return event;
                      }()](Deadline until) { return event.wait(until); },
                 [event = Event{}](Deadline until) { return event.wait(until); }});
  all.push_back({"Condition",
                 [condition = Condition{}](Deadline until) mutable {
                   condition.acquire();
                   const bool got = condition.wait_for([] { return true; }, until);
                   condition.release();
                   return got;
                 },
                 [condition = Condition{}](Deadline until) mutable {
                   condition.acquire();
                   const bool got = condition.wait(until);
                   condition.release();  // throws if wait did not take it back
                   return got;
                 }});
  all.push_back({"Barrier",
                 [meet = Barrier{1}](Deadline until) mutable { return meet.wait(until) == 0; },
                 [meet = Barrier{2}](Deadline until) mutable {
                   meet.reset();
                   try {
                     meet.wait(until);
                     return true;
                   } catch (const BrokenBarrier&) {
                     return false;
                   }
                 }});
  return all;
}

TEST(Timeouts, ThatHavePassedDoNotWait) {
  for (const Bounded& call : all_bounded_calls()) {
    SCOPED_TRACE(call.name);
    for (const Deadline until :
         {Deadline{0s}, Deadline{-1ns}, Deadline{std::chrono::hours::min()},
          Deadline{std::chrono::nanoseconds::min()},
          Deadline{std::chrono::duration<double>{-std::numeric_limits<double>::infinity()}},
          Deadline{std::chrono::duration<double>{std::numeric_limits<double>::quiet_NaN()}},
          Deadline{Deadline::Clock::time_point::min()}, Deadline::now()}) {
      EXPECT_FALSE(call.waits(until));
      EXPECT_TRUE(call.succeeds(until)) << "what is there can be had without waiting";
    }
  }
}

TEST(Timeouts, OfAnyLengthMayBeLeftUnused) {
  for (const Bounded& call : all_bounded_calls()) {
    SCOPED_TRACE(call.name);
    for (const Deadline until :
         {Deadline{1ns}, Deadline{1h}, Deadline{std::chrono::hours::max()},
          Deadline{std::chrono::nanoseconds::max()}, Deadline{std::chrono::years::max()},
          Deadline{std::chrono::duration<double>{std::numeric_limits<double>::infinity()}},
          Deadline{std::chrono::duration<double>::max()},
          Deadline{Deadline::Clock::time_point::max()}, Deadline::never()}) {
      EXPECT_TRUE(call.succeeds(until));
    }
  }
}

TEST(Timeouts, AreWaitedForInFull) {
  for (const Bounded& call : all_bounded_calls()) {
    SCOPED_TRACE(call.name);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(call.waits(15ms));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 15ms);
  }
}

TEST(Timeouts, ThatNeverComeAreWaitedForUntilSomethingHappens) {
  for (const Deadline until : {Deadline{std::chrono::nanoseconds::max()}, Deadline{1h * 8760 * 200},
                               Deadline{std::chrono::hours{24} * 365 * 99}}) {
    Event event;
    Child waiter{[&] { EXPECT_TRUE(event.wait(until)); }};
    EXPECT_FALSE(waiter.has_ended(5ms));
    event.set();
    EXPECT_EQ(waiter.wait(), exited(0));
  }
}

// A child that copied the memory of a handle before its parent dropped it never got the object.
template <class T, class Use>
void expect_wrong_process(T* handle, Use use) {
  test::Signal dropped;
  Child child{[&] {
    dropped.await();
    EXPECT_THROW(use(*handle), WrongProcess);
  }};
  delete handle;
  dropped.raise();
  EXPECT_EQ(child.wait(), exited(0));
}

TEST(WrongProcess, IsWhatAHandleSaysWhereItNeverCame) {
  expect_wrong_process(new Lock, [](Lock& lock) { lock.acquire(); });
  expect_wrong_process(new Lock, [](Lock& lock) { lock.release(); });
  expect_wrong_process(new RLock, [](RLock& lock) { lock.acquire(); });
  expect_wrong_process(new Semaphore{1}, [](Semaphore& semaphore) { semaphore.acquire(); });
  expect_wrong_process(new BoundedSemaphore{1}, [](BoundedSemaphore& s) { s.release(); });
  expect_wrong_process(new Event, [](Event& event) { event.set(); });
  expect_wrong_process(new Condition, [](Condition& condition) { condition.acquire(); });
  expect_wrong_process(new Barrier{2}, [](Barrier& barrier) { barrier.wait(); });
  expect_wrong_process(new Queue<int>, [](Queue<int>& queue) { queue.put(1); });
}

// As an isolated child does, which has no arena at all.
TEST(WrongProcess, IsWhatEveryHandleSaysWhereTheArenaIsGone) {
  struct All {
    Lock lock;
    RLock rlock;
    Semaphore semaphore{1};
    BoundedSemaphore bounded{1};
    Event event;
    Condition condition;
    Barrier barrier{2};
    Queue<int> queue;
  };
  auto all = std::make_unique<All>();
  all->lock.acquire();
  EXPECT_EQ(test::in_child([&] {
              memory::Arena::leave();
              EXPECT_THROW(all->lock.acquire(0s), WrongProcess);
              EXPECT_THROW(all->lock.release(), WrongProcess);
              EXPECT_THROW(static_cast<void>(all->lock.locked()), WrongProcess);
              EXPECT_THROW(all->lock.recover(), WrongProcess);
              EXPECT_THROW(all->rlock.acquire(), WrongProcess);
              EXPECT_THROW(all->rlock.release(), WrongProcess);
              EXPECT_THROW(all->semaphore.acquire(), WrongProcess);
              EXPECT_THROW(all->semaphore.release(), WrongProcess);
              EXPECT_THROW(static_cast<void>(all->semaphore.get_value()), WrongProcess);
              EXPECT_THROW(all->bounded.acquire(), WrongProcess);
              EXPECT_THROW(all->bounded.release(), WrongProcess);
              EXPECT_THROW(all->event.set(), WrongProcess);
              EXPECT_THROW(static_cast<void>(all->event.wait(0s)), WrongProcess);
              EXPECT_THROW(all->condition.acquire(), WrongProcess);
              EXPECT_THROW(all->condition.notify_all(), WrongProcess);
              EXPECT_THROW(all->barrier.wait(0s), WrongProcess);
              EXPECT_THROW(static_cast<void>(all->barrier.n_waiting()), WrongProcess);
              EXPECT_THROW(all->queue.put(1), WrongProcess);
              EXPECT_THROW(static_cast<void>(all->queue.get(0s)), WrongProcess);
              EXPECT_THROW(Lock{}, WrongProcess) << "nor can a new one be made";
              all.reset();  // and letting go of them is no error
            }),
            exited(0));
  all->lock.release();
}

}  // namespace
}  // namespace mp
