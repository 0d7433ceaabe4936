// SPDX-License-Identifier: Apache-2.0
// One thread after the other has an end of a pipe almost for itself.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <gtest/gtest.h>
#include <thread>
#include <tuple>
#include <vector>

#include "mp/connection.hpp"

#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"
#include "support/rendezvous.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;

constexpr std::uint64_t kEnd = ~std::uint64_t{0};

// Receives numbers that only grow, up to the end. Returns how many there were.
std::uint64_t count_growing(const Connection& reader) {
  std::uint64_t count = 0;
  for (std::uint64_t next = 0;; ++count) {
    const auto number = reader.recv<std::uint64_t>();
    if (number == kEnd) {
      return count;
    }
    EXPECT_GE(number, next);
    next = number + 1;
  }
}

class PipeBias : public test::OnEveryKernel {
 protected:
  PipeBias() { std::tie(reader, writer) = Pipe(simplex); }
  ~PipeBias() override { memory::bury_the_dead(); }

  Connection reader;
  Connection writer;
};

TEST_P(PipeBias, GoesFromThreadToThread) {
  constexpr std::uint64_t kTurns = 40;
  constexpr std::uint64_t kInARow = 200;
  Child child{[&] { EXPECT_EQ(count_growing(reader), kTurns * kInARow); }};
  std::atomic<std::uint64_t> turn{0};
  const auto send_in_turn = [&](std::uint64_t me) {
    for (std::uint64_t mine = me; mine < kTurns; mine += 2) {
      for (std::uint64_t now = turn.load(); now != mine; now = turn.load()) {
        turn.wait(now);
      }
      for (std::uint64_t i = 0; i < kInARow; ++i) {
        writer.send(mine * kInARow + i);
      }
      turn.store(mine + 1);
      turn.notify_all();
    }
  };
  std::thread other{send_in_turn, 1};
  send_in_turn(0);
  other.join();
  writer.send(kEnd);
  EXPECT_EQ(child.wait(), test::exited(0));
}

TEST_P(PipeBias, IsTakenAwayWhileItIsUsed) {
  constexpr std::uint64_t kBusy = 20'000;
  constexpr std::uint64_t kOthers = 3;
  constexpr std::uint64_t kEach = 20;
  Child child{[&] {
    std::vector<std::uint64_t> next(kOthers + 1);
    for (std::uint64_t left = kBusy + kOthers * kEach; left != 0; --left) {
      const auto [sender, number] = reader.recv<std::tuple<std::uint64_t, std::uint64_t>>();
      ASSERT_EQ(number, next[sender]++);
    }
  }};
  std::vector<std::thread> others;
  for (std::uint64_t other = 1; other <= kOthers; ++other) {
    others.emplace_back([this, other] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        writer.send(std::tuple{other, i});
        std::this_thread::yield();
      }
    });
  }
  for (std::uint64_t i = 0; i < kBusy; ++i) {
    writer.send(std::tuple{std::uint64_t{0}, i});
  }
  for (std::thread& each : others) {
    each.join();
  }
  EXPECT_EQ(child.wait(), test::exited(0));
}

TEST_P(PipeBias, IsLeftByTheKilled) {
  constexpr int kRounds = 30;
  for (int round = 0; round < kRounds; ++round) {
    test::Rendezvous begun{2};
    Child victim{[&] {
      for (std::uint64_t i = 0;; ++i) {
        writer.send(i);
        if (i == 100) {
          begun.arrive_and_wait();
        }
      }
    }};
    std::thread receiver{[&] { EXPECT_GT(count_growing(reader), 100u); }};
    begun.arrive_and_wait();
    victim.send_signal(SIGKILL);
    EXPECT_EQ(victim.wait(), test::killed_by(SIGKILL));
    writer.send(kEnd);
    receiver.join();
  }
}

TEST_P(PipeBias, OfAStoppedOneKeepsNobodyWaitingWhoMayNotWait) {
  constexpr int kRounds = 30;
  for (int round = 0; round < kRounds; ++round) {
    Child stopped{[&] {
      while (true) {
        static_cast<void>(writer.try_send(1));
      }
    }};
    const int first = reader.recv<int>();
    EXPECT_EQ(first, 1);
    stopped.send_signal(SIGSTOP);
    static_cast<void>(writer.try_send(2));
    stopped.send_signal(SIGCONT);
    stopped.send_signal(SIGKILL);
    EXPECT_EQ(stopped.wait(), test::killed_by(SIGKILL));
    while (reader.try_recv<int>().has_value()) {
    }
  }
}

MP_ON_EVERY_KERNEL(PipeBias);

}  // namespace
}  // namespace mp
