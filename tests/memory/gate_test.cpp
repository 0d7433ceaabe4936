// SPDX-License-Identifier: Apache-2.0
#include "memory/gate.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "memory/allocator.hpp"
#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/rendezvous.hpp"

namespace mp::memory {
namespace {

using namespace std::chrono_literals;

struct State {
  layout::Gate gate;
  std::atomic<int> value;
  layout::Gate back;
};

class GateTest : public testing::Test {
 protected:
  GateTest() : block_{allocate(sizeof(State), {.zeroed = true})} {}
  ~GateTest() override { free_block(block_.id); }
  State& state() { return *reinterpret_cast<State*>(block_.data); }

  static void await(layout::Gate& gate, std::atomic<int>& value, int wanted) {
    for (;;) {
      const std::uint32_t key = gate_prepare(gate);
      if (value.load() >= wanted) {
        return;
      }
      gate_sleep(gate, key, Deadline::never());
    }
  }

 private:
  Block block_;
};

TEST_F(GateTest, SleepsUntilTheDeadline) {
  const auto begin = std::chrono::steady_clock::now();
  const Deadline until{20ms};
  while (gate_sleep(state().gate, gate_prepare(state().gate), until)) {
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms);
  EXPECT_FALSE(gate_sleep(state().gate, gate_prepare(state().gate), Deadline::now()));
}

TEST_F(GateTest, LosesNoWakeUpBetweenTwoProcesses) {
  constexpr int kRounds = 3000;
  test::Child child{[&] {
    for (int i = 1; i <= kRounds; ++i) {
      await(state().gate, state().value, 2 * i - 1);
      state().value.store(2 * i);
      gate_wake(state().back, 1);
    }
  }};
  for (int i = 1; i <= kRounds; ++i) {
    state().value.store(2 * i - 1);
    gate_wake(state().gate, 1);
    await(state().back, state().value, 2 * i);
  }
  EXPECT_EQ(child.wait(), test::exited(0));
  bury_the_dead();
}

TEST_F(GateTest, WakesAsManyAsThereIsWorkFor) {
  // Producers and consumers of permits: every permit must be found by a consumer.
  constexpr int kPermits = 20000;
  constexpr int kConsumers = 4;
  std::atomic<int> taken{0};
  std::atomic<int>& permits = state().value;
  std::vector<std::thread> consumers;
  for (int c = 0; c < kConsumers; ++c) {
    consumers.emplace_back([&] {
      for (;;) {
        const std::uint32_t key = gate_prepare(state().gate);
        int seen = permits.load();
        while (seen > 0 && !permits.compare_exchange_weak(seen, seen - 1)) {
        }
        if (seen > 0) {
          taken.fetch_add(1);
          continue;
        }
        if (seen < 0) {
          return;
        }
        gate_sleep(state().gate, key, Deadline::never());
      }
    });
  }
  for (int i = 0; i < kPermits; ++i) {
    permits.fetch_add(1);
    gate_wake(state().gate, 1);
  }
  while (taken.load() != kPermits) {
    std::this_thread::yield();
  }
  permits.store(-1);
  gate_wake(state().gate, kAll);
  for (auto& consumer : consumers) {
    consumer.join();
  }
  EXPECT_EQ(taken.load(), kPermits);
}

TEST_F(GateTest, ReturnsWhenTheOwnerItDependsOnIsKilled) {
  test::Signal ready;
  std::atomic<int>& tag = state().value;
  const ProcessId id = enter_child();
  test::Child child{[&] {
    become(id);
    tag.store(static_cast<int>(this_thread()));
    ready.raise();
    for (;;) {
      ::pause();
    }
  }};
  ready.await();
  const auto owner = static_cast<ThreadTag>(tag.load());
  std::thread killer{[&] { child.kill(); }};
  while (!thread_gone(owner)) {
    const std::uint32_t key = gate_prepare(state().gate);
    gate_sleep(state().gate, key, Deadline::never(), owner);
  }
  killer.join();
  bury(id);
}

TEST_F(GateTest, WakesTheTreeWhenAWakerIsKilledBeforeItsWakeUp) {
  test::Signal asleep;
  for (int round = 0; round < 5; ++round) {
    test::Child sleeper{[&] {
      const std::uint32_t key = gate_prepare(state().gate);
      asleep.raise();
      gate_sleep(state().gate, key, Deadline{900ms});
    }};
    asleep.await();
    test::Child waker{[&] {
      const ArmedWake armed;
      ::raise(SIGKILL);
    }};
    EXPECT_EQ(waker.wait(), test::killed_by(SIGKILL));
    EXPECT_EQ(sleeper.wait(), test::exited(0));
  }
  bury_the_dead();
}

}  // namespace
}  // namespace mp::memory
