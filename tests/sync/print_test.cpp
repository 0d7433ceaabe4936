// SPDX-License-Identifier: Apache-2.0
// What primitives say about themselves.
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <utility>

#include <unistd.h>

#include "mp/process.hpp"
#include "mp/sync.hpp"

#include "support/child.hpp"
#include "support/rendezvous.hpp"

namespace mp {
namespace {

template <class T>
std::string text(const T& object) {
  std::ostringstream out;
  out << object;
  return out.str();
}

TEST(Print, TellsWhoHoldsALock) {
  Lock lock;
  EXPECT_EQ(text(lock), "<Lock(owner=None)>");
  lock.acquire();
  EXPECT_EQ(text(lock), "<Lock(owner=MainProcess)>");
  lock.release();
  RLock rlock;
  EXPECT_EQ(text(rlock), "<RLock(owner=None)>");
  rlock.acquire();
  rlock.acquire();
  EXPECT_EQ(text(rlock), "<RLock(owner=MainProcess, count=2)>");
  Condition condition{rlock};
  EXPECT_EQ(text(condition), "<Condition(<RLock(owner=MainProcess, count=2)>)>");
  const Lock moved = std::move(lock);
  EXPECT_EQ(text(lock), "<Lock(moved from)>");  // NOLINT(bugprone-use-after-move)
}

TEST(Print, KnowsAnotherProcessByItsNameOrPid) {
  Lock lock;
  Event held;
  Event leave;
  Process child{[](Lock mine, Event taken, Event go) {
                  mine.acquire();
                  taken.set();
                  go.wait();
                  mine.release();
                },
                lock, held, leave};
  child.start();
  held.wait();
  EXPECT_EQ(text(lock), "<Lock(owner=" + child.name() + ")>");
  leave.set();
  child.join();

  test::Signal taken;
  test::Child nameless{[&] {
    lock.acquire();
    taken.raise();
    ::pause();
  }};
  taken.await();
  EXPECT_EQ(text(lock), "<Lock(owner=process " + std::to_string(nameless.pid()) + ")>");
  nameless.kill();
  EXPECT_EQ(text(lock), "<Lock(owner=None, whose process died)>");
}

TEST(Print, CountsPermitsAndParties) {
  EXPECT_EQ(text(Semaphore{3}), "<Semaphore(value=3)>");
  BoundedSemaphore two{2};
  two.acquire();
  EXPECT_EQ(text(two), "<BoundedSemaphore(value=1, maxvalue=2)>");
  Event event;
  EXPECT_EQ(text(event), "<Event(clear)>");
  event.set();
  EXPECT_EQ(text(event), "<Event(set)>");
  Barrier meet{2};
  EXPECT_EQ(text(meet), "<Barrier(waiting=0/2)>");
  meet.abort();
  EXPECT_EQ(text(meet), "<Barrier(broken)>");
}

}  // namespace
}  // namespace mp
