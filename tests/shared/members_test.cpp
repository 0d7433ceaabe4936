// SPDX-License-Identifier: Apache-2.0
// Locks, semaphores, events and queues as members of what a Value, an Array or a SharedMemory
// holds: the thing itself, where a Lock is a reference to it.
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <mutex>
#include <new>

#include "mp/errors/error.hpp"
#include "mp/shared/array.hpp"
#include "mp/shared/segment_queue.hpp"
#include "mp/shared/segment_sync.hpp"
#include "mp/shared/shared_memory.hpp"
#include "mp/shared/value.hpp"
#include "mp/sync/lock.hpp"

#include "shared/travel.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

struct Account {
  SegmentLock lock;
  SegmentSemaphore tickets{2};
  SegmentEvent open;
  SegmentQueue<int, 4> orders;
  long balance = 0;
};
struct Handles {
  Lock lock;
};
static_assert(detail::is_shareable<Account>());
static_assert(!detail::is_shareable<Handles>(), "a handle is of its process");

// What processes do with an account, whatever memory it lies in.
void expect_to_work(Account& account) {
  const auto pay = [&] {
    for (int i = 0; i < 5000; ++i) {
      const std::scoped_lock hold{account.lock};
      account.balance += 1;
    }
  };
  account.balance = 0;
  Child one{pay};
  pay();
  EXPECT_EQ(one.wait(), exited(0));
  EXPECT_EQ(account.balance, 10000);

  EXPECT_EQ(test::in_child([&] {
              account.lock.lock();
              ::raise(SIGKILL);
            }),
            test::killed_by(SIGKILL));
  EXPECT_THROW(account.lock.lock(), OwnerDied);
  EXPECT_TRUE(account.lock.recover());
  account.lock.release();

  Child waiter{[&] {
    EXPECT_TRUE(account.open.wait(20s));
    account.orders.put(7);
    EXPECT_TRUE(account.tickets.acquire(0s));
  }};
  ASSERT_EVENTUALLY(test::is_asleep(waiter.pid()));
  account.open.set();
  EXPECT_EQ(account.orders.get(20s), 7);
  EXPECT_EQ(waiter.wait(), exited(0));
  EXPECT_EQ(account.tickets.get_value(), 1U);
  account.tickets.release();
  account.open.clear();
}

TEST(Members, WorkInAValue) {
  const RawValue<Account> account;
  expect_to_work(*account);
  const RawValue<Account> there = test::send(account);
  const std::scoped_lock hold{there->lock};
  EXPECT_EQ(test::in_child([&] { EXPECT_FALSE(account->lock.try_lock()); }), exited(0));
}

TEST(Members, WorkInAnArrayEachForItself) {
  const RawArray<Account> accounts(3);
  const std::scoped_lock hold{accounts[0].lock};
  expect_to_work(accounts[1]);
  expect_to_work(accounts[2]);
  EXPECT_EQ(test::in_child([&] {
              EXPECT_FALSE(accounts[0].lock.try_lock());
              EXPECT_TRUE(accounts[1].lock.try_lock());
              accounts[1].lock.release();
            }),
            exited(0));
}

TEST(Members, WorkInNamedMemoryThatIsMappedAnew) {
  const SharedMemory block{create, sizeof(Account)};
  auto* account = ::new (block.buf().data()) Account;
  expect_to_work(*account);
  EXPECT_EQ(test::in_child([&] {
              const SharedMemory same{open, block.name()};
              auto* mine = std::launder(reinterpret_cast<Account*>(same.buf().data()));
              EXPECT_NE(mine, account);
              const std::scoped_lock hold{mine->lock};
              mine->balance = 5;
              mine->orders.put(9);
            }),
            exited(0));
  EXPECT_EQ(account->balance, 5);
  EXPECT_EQ(account->orders.get_nowait(), 9);
  block.unlink();
}

}  // namespace
}  // namespace mp
