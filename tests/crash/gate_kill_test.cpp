// SPDX-License-Identifier: Apache-2.0
// Kills wakers and sleepers of a gate at every instruction, also the sleeper whom a death woke:
// whoever is owed a wake-up gets it, from the waker, the kernel, another sleeper, or the burial.
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <gtest/gtest.h>
#include <memory>

#include <unistd.h>

#include "harness/kill_harness.hpp"
#include "memory/allocator.hpp"
#include "memory/gate.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"
#include "memory_checks.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace memory;
using namespace std::chrono_literals;

// Permits behind a gate.
struct Turnstile {
  layout::Gate gate;
  std::atomic<int> permits;

  void await_one() {
    for (;;) {
      const std::uint32_t key = gate_prepare(gate);
      int seen = permits.load();
      while (seen > 0 && !permits.compare_exchange_weak(seen, seen - 1)) {
      }
      if (seen > 0) {
        return;
      }
      gate_sleep(gate, key, Deadline::never());
    }
  }
  void await_any() {
    for (;;) {
      const std::uint32_t key = gate_prepare(gate);
      if (permits.load() > 0) {
        return;
      }
      gate_sleep(gate, key, Deadline::never());
    }
  }
  void give(int count) {
    permits.fetch_add(count);  // the commit
    gate_wake(gate, count);
  }
};

class GateKill : public testing::Test {
 protected:
  Operation at_gate(const char* name, const char* state) {
    return {.name = name,
            .state = state,
            .setup =
                [this] {
                  static_cast<void>(this_thread());
                  *block_ = allocate(sizeof(Turnstile), {.zeroed = true}).id;
                },
            .warm = [] { static_cast<void>(this_thread()); },
            .verify =
                [this] {
                  static_cast<void>(this_thread());
                  bury_and_check_tables();
                  check_heap({*block_});
                  // Whoever still sleeps is helped, and the gate still works both ways.
                  turnstile().permits.store(100);
                  gate_wake(turnstile().gate, kAll);
                  turnstile().await_one();
                  const Deadline soon{5ms};
                  while (gate_sleep(turnstile().gate, gate_prepare(turnstile().gate), soon)) {
                  }
                }};
  }

  Turnstile& turnstile() const {
    return *reinterpret_cast<Turnstile*>(block_address_unchecked(*block_));
  }
  std::function<void()> await_one() {
    return [this] { turnstile().await_one(); };
  }
  std::function<void()> await_any() {
    return [this] { turnstile().await_any(); };
  }
  // What a parent does when it sees its child dead; whoever is owed a permit then is told.
  std::function<bool()> bury_then_owed() {
    return [this] {
      bury_the_dead();
      return turnstile().permits.load() > 0;
    };
  }

  test::Shared<BlockId> block_;
};

TEST_F(GateKill, WakerOfNobody) {
  Operation operation = at_gate("gate_wake", "nobody asleep");
  operation.run = [this] { turnstile().give(1); };
  operation.while_stopped = [this] {
    turnstile().give(1);
    turnstile().await_one();
  };
  expect_survival(operation);
}

TEST_F(GateKill, WakerOfOne) {
  Operation operation = at_gate("gate_wake 1", "one asleep");
  operation.run = [this] { turnstile().give(1); };
  operation.waiters = {await_one()};
  operation.owed = bury_then_owed();
  expect_survival(operation);
}

TEST_F(GateKill, WakerOfOneOfTwo) {
  Operation operation = at_gate("gate_wake 1", "two asleep");
  operation.run = [this] { turnstile().give(1); };
  operation.waiters = {await_any(), await_any()};
  operation.owed = bury_then_owed();  // one wake-up for two: the burial wakes the other
  expect_survival(operation);
}

TEST_F(GateKill, WakerOfAll) {
  Operation operation = at_gate("gate_wake all", "two asleep");
  operation.run = [this] {
    turnstile().permits.fetch_add(2);
    gate_wake(turnstile().gate, kAll);
  };
  operation.waiters = {await_any(), await_any()};
  operation.owed = bury_then_owed();
  expect_survival(operation);
}

// Nobody buries here: a waker that armed the tree's gate before its commit is covered by the
// kernel, which wakes one sleeper, who wakes the others, before their slice of a second is over.
TEST_F(GateKill, ArmedWakerWithoutABurial) {
  Operation operation = at_gate("armed gate_wake all", "two asleep, no burial");
  operation.run = [this] {
    const ArmedWake armed;
    turnstile().permits.fetch_add(2);
    gate_wake(turnstile().gate, kAll);
  };
  operation.waiters = {await_any(), await_any()};
  operation.owed = [this] { return turnstile().permits.load() > 0; };
  Plan plan = Plan::from_environment();
  plan.bound = 700ms;
  expect_survival(kill_one(operation, plan));
  expect_survival(kill_two(operation));
}

TEST_F(GateKill, SleeperAlone) {
  Operation operation = at_gate("gate_sleep", "alone");
  operation.run = await_one();
  operation.when_asleep = [this] { turnstile().give(1); };
  expect_survival(operation);
}

TEST_F(GateKill, SleeperBesideAnother) {
  Operation operation = at_gate("gate_sleep", "beside another");
  operation.run = await_one();
  operation.waiters = {await_one()};
  operation.owed = bury_then_owed();
  operation.when_asleep = [this] { turnstile().give(2); };
  expect_survival(operation);
}

// One permit and two sleepers: the one that is woken for it is killed as well, before or after it
// took the permit. Where it did not, the other must come to know.
TEST_F(GateKill, SleeperWhoseWakeUpAnotherNeeds) {
  Operation operation = at_gate("gate_wake 1", "one permit for two asleep");
  operation.run = [this] { turnstile().give(1); };
  operation.waiters = {await_one(), await_one()};
  operation.owed = bury_then_owed();
  expect_survival(kill_two(operation));
}

TEST_F(GateKill, SleeperOnTheLeaseOfAnOwnerWhoIsKilled) {
  test::Shared<ThreadTag> owner;
  std::unique_ptr<test::Child> holder;
  Operation operation = at_gate("gate_sleep", "on an owner's lease");
  operation.setup = [this, &owner, &holder, base = operation.setup] {
    base();
    test::Signal ready;
    holder = std::make_unique<test::Child>([&] {
      *owner = this_thread();
      ready.raise();
      ::pause();
    });
    ready.await();
  };
  operation.teardown = [&] { holder.reset(); };
  operation.run = [this, &owner] {
    while (!thread_gone(*owner)) {
      gate_sleep(turnstile().gate, gate_prepare(turnstile().gate), Deadline::never(), *owner);
    }
  };
  operation.waiters = {operation.run};
  operation.owed = [&owner] { return thread_gone(*owner); };
  operation.when_asleep = [&] { holder->kill(); };
  operation.verify = [&owner, base = operation.verify] {
    // Whoever still waits for the owner's death sees it now.
    if (!thread_gone(*owner)) {
      ::kill(pid_of(process_of(*owner)), SIGKILL);
      check(test::eventually([&] { return thread_gone(*owner); }), "the owner's lease is held");
    }
    base();
  };
  expect_survival(operation);
}

}  // namespace
}  // namespace mp::crash
