// SPDX-License-Identifier: Apache-2.0
// The first to come has a side of a queue to itself, until somebody else comes.
#include "queue/alone.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <gtest/gtest.h>
#include <optional>
#include <thread>
#include <vector>

#include "mp/queue.hpp"

#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/faults.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;

class QueueAlone : public test::OnEveryKernel {
 protected:
  ~QueueAlone() override { memory::bury_the_dead(); }

  Queue<std::uint64_t> queue;
};

TEST_P(QueueAlone, KeepsEachWritersOrderWhenASecondOneComes) {
  constexpr std::uint64_t kEach = 5000;
  std::atomic<bool> under_way{false};
  std::thread second{[&] {
    under_way.wait(false);
    for (std::uint64_t i = 0; i < kEach; ++i) {
      queue.put(kEach + i);
    }
  }};
  Child first{[&] {
    for (std::uint64_t i = 0; i < kEach; ++i) {
      queue.put(i);
    }
  }};
  std::uint64_t next[2] = {0, kEach};
  for (std::uint64_t left = 2 * kEach; left != 0; --left) {
    const std::uint64_t number = queue.get();
    ASSERT_EQ(number, next[number / kEach]++);
    if (number == 100) {
      under_way = true;
      under_way.notify_all();
    }
  }
  second.join();
  EXPECT_EQ(first.wait(), test::exited(0));
}

TEST_P(QueueAlone, GivesEachItemToOneReaderWhenASecondOneComes) {
  constexpr std::uint64_t kItems = 20'000;
  const test::Shared<std::atomic<std::uint64_t>> sum;
  const auto read = [&](std::uint64_t most) {
    for (std::uint64_t i = 0; i < most; ++i) {
      const std::optional<std::uint64_t> got = queue.try_get_for(5s);
      if (!got || *got == 0) {
        return;
      }
      sum->fetch_add(*got);
    }
  };
  for (std::uint64_t i = 1; i <= kItems; ++i) {
    queue.put(i);
  }
  queue.put(0);
  queue.put(0);
  Child other{[&] { read(kItems); }};
  read(kItems);
  EXPECT_EQ(other.wait(), test::exited(0));
  EXPECT_EQ(sum->load(), kItems * (kItems + 1) / 2);
}

TEST_P(QueueAlone, LosesNothingOfAKilledWriter) {
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds; ++round) {
    Queue<std::uint64_t> fresh;
    const test::Shared<std::atomic<std::uint64_t>> returned;
    Child writer{[&] {
      for (std::uint64_t i = 1;; ++i) {
        fresh.put(i);
        returned->store(i);
      }
    }};
    std::uint64_t last = 0;
    while (last < 200) {
      const std::uint64_t got = fresh.get();
      ASSERT_EQ(got, last + 1);
      last = got;
    }
    writer.send_signal(SIGKILL);
    EXPECT_EQ(writer.wait(), test::killed_by(SIGKILL));
    while (const std::optional<std::uint64_t> got = fresh.try_get()) {
      ASSERT_EQ(*got, last + 1);
      last = *got;
    }
    EXPECT_GE(last, returned->load());
    EXPECT_LE(last, returned->load() + 1);
    fresh.put(7);  // by another than before
    EXPECT_EQ(fresh.get(), 7u);
  }
}

TEST_P(QueueAlone, LosesNothingThatAKilledReaderHadNotGot) {
  constexpr int kRounds = 40;
  constexpr std::uint64_t kItems = 3000;
  for (int round = 0; round < kRounds; ++round) {
    Queue<std::uint64_t> fresh;
    const test::Shared<std::atomic<std::uint64_t>> got;
    for (std::uint64_t i = 1; i <= kItems; ++i) {
      fresh.put(i);
    }
    test::Rendezvous begun{2};
    Child reader{[&] {
      for (std::uint64_t i = 1; i <= kItems; ++i) {
        got->store(fresh.get());
        if (i == 20) {
          begun.arrive_and_wait();
        }
      }
    }};
    begun.arrive_and_wait();
    reader.send_signal(SIGKILL);
    static_cast<void>(reader.wait());
    // Each of the rest comes once: in order, but for the one that the reader had claimed, if it did
    // claim. One get may have been committed whose caller did not come to note it.
    std::vector<int> times(kItems + 1);
    std::uint64_t last = 0;
    int late = 0;
    while (const std::optional<std::uint64_t> item = fresh.try_get()) {
      late += *item < last ? 1 : 0;
      last = std::max(last, *item);
      ASSERT_EQ(++times[*item], 1) << *item;
    }
    EXPECT_LE(late, 1);
    const std::uint64_t first = got->load() + 1;
    for (std::uint64_t item = 1; item <= kItems; ++item) {
      const bool may_be_gone = item == first;
      ASSERT_TRUE(may_be_gone || times[item] == (item > first ? 1 : 0)) << item;
    }
    EXPECT_EQ(fresh.qsize(), 0u);
  }
}

TEST_P(QueueAlone, IsWokenByTheLifeOfAWriterWhoseItemItCannotSee) {
  // The writer is killed at any moment of a put; a reader that is asleep sees what came of it.
  constexpr int kRounds = 60;
  for (int round = 0; round < kRounds; ++round) {
    Queue<std::uint64_t> fresh;
    Queue<std::uint64_t> answers;
    Child writer{[&] {
      for (std::uint64_t i = 1;; ++i) {
        fresh.put(i);
        static_cast<void>(answers.get());
      }
    }};
    for (std::uint64_t i = 1; i <= static_cast<std::uint64_t>(round % 7); ++i) {
      ASSERT_EQ(fresh.get(), i);
      answers.put(i);
    }
    writer.send_signal(SIGKILL);
    static_cast<void>(writer.wait());
    while (fresh.try_get_for(1ms).has_value()) {
    }
    EXPECT_TRUE(fresh.empty());
  }
}

TEST_P(QueueAlone, ShutsDownWithoutLosingWhatWasPut) {
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds; ++round) {
    Queue<std::uint64_t> fresh;
    const test::Shared<std::atomic<std::uint64_t>> returned;
    Child writer{[&] {
      try {
        for (std::uint64_t i = 1;; ++i) {
          fresh.put(i);
          returned->store(i);
        }
      } catch (const QueueClosed&) {
      }
    }};
    std::uint64_t count = 0;
    try {
      for (;; ++count) {
        ASSERT_EQ(fresh.get(), count + 1);
        if (count == 50) {
          fresh.shutdown();
        }
      }
    } catch (const QueueClosed&) {
    }
    EXPECT_EQ(writer.wait(), test::exited(0));
    EXPECT_EQ(count, returned->load());
  }
}

MP_ON_EVERY_KERNEL(QueueAlone);

}  // namespace
}  // namespace mp
