// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <gtest/gtest.h>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mp/codec.hpp"
#include "mp/queue.hpp"

#include "memory/allocator.hpp"
#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/shared.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

void bury() {
  memory::bury_the_dead();
}

TEST(QueueProcess, PassesItemsBetweenProcesses) {
  Queue<std::string> there;
  Queue<std::string> back{1};
  Child child{[&] {
    for (int i = 0; i < 500; ++i) {
      back.put(there.get() + "!");
    }
  }};
  for (int i = 0; i < 500; ++i) {
    const std::string word(static_cast<std::size_t>(i), 'w');
    there.put(word);
    EXPECT_EQ(back.get(), word + "!");
  }
  EXPECT_EQ(child.wait(), exited(0));
  bury();
}

TEST(QueueProcess, IsVisibleAsSoonAsPutReturns) {
  Queue<int> queue;
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(test::in_child([&] { queue.put(i); }), exited(0));
    ASSERT_EQ(queue.try_get(), i);
  }
  bury();
}

TEST(QueueProcess, MovesMegabytes) {
  Queue<std::vector<std::uint64_t>> queue{2};
  Child child{[&] {
    for (std::uint64_t i = 0; i < 20; ++i) {
      std::vector<std::uint64_t> values(1 << 17);
      std::iota(values.begin(), values.end(), i);
      queue.put(values);
    }
  }};
  for (std::uint64_t i = 0; i < 20; ++i) {
    const std::vector<std::uint64_t> values = queue.get();
    ASSERT_EQ(values.size(), 1u << 17);
    ASSERT_EQ(values.front(), i);
    ASSERT_EQ(values.back(), i + (1 << 17) - 1);
  }
  EXPECT_EQ(child.wait(), exited(0));
  bury();
}

TEST(QueueProcess, CarriesAQueueToAProcessThatDidNotHaveIt) {
  Queue<Queue<int>> queues;
  Child child{[&] { queues.get().put(42); }};
  Queue<int> late;  // made after the fork
  queues.put(late);
  EXPECT_EQ(late.get(), 42);
  EXPECT_EQ(child.wait(), exited(0));
  bury();
}

TEST(QueueProcess, ClosesInOneProcessOnly) {
  Queue<int> queue;
  queue.put(1);
  EXPECT_EQ(test::in_child([&] {
              queue.close();
              EXPECT_THROW(queue.get(), QueueClosed);
            }),
            exited(0));
  EXPECT_EQ(queue.get(), 1);
  queue.close();
  EXPECT_EQ(test::in_child([&] { queue.put(2); }), exited(0));
  bury();
}

TEST(QueueProcess, ServesManyProcesses) {
  constexpr int kProcesses = 6;
  constexpr int kEach = 2000;
  Queue<std::pair<int, int>> queue{100};
  Queue<std::int64_t> sums;
  std::vector<Child> children;
  for (int p = 0; p < kProcesses; ++p) {
    children.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) {
        queue.put({p, i});
      }
    });
    children.emplace_back([&] {
      std::int64_t sum = 0;
      std::array<int, kProcesses> last{};
      last.fill(-1);
      for (int i = 0; i < kEach; ++i) {
        const auto [from, value] = queue.get();
        EXPECT_GT(value, std::exchange(last.at(static_cast<std::size_t>(from)), value));
        sum += value;
      }
      sums.put(sum);
    });
  }
  std::int64_t sum = 0;
  for (int p = 0; p < kProcesses; ++p) {
    sum += sums.get();
  }
  for (Child& child : children) {
    EXPECT_EQ(child.wait(), exited(0));
  }
  EXPECT_EQ(sum, std::int64_t{kProcesses} * kEach * (kEach - 1) / 2);
  EXPECT_EQ(queue.qsize(), 0u);
  bury();
}

TEST(QueueProcess, WakesAReaderThatSleeps) {
  Queue<int> queue;
  Child reader{[&] { return queue.get(); }};
  ASSERT_EVENTUALLY(test::is_asleep(reader.pid()));
  queue.put(5);
  EXPECT_EQ(reader.wait(), exited(5));
  bury();
}

TEST(QueueProcess, GoesOnAfterASleepingReaderIsKilled) {
  Queue<int> queue;
  Child victim{[&] { queue.get(); }};
  Child reader{[&] { return queue.get(); }};
  ASSERT_EVENTUALLY(test::is_asleep(victim.pid()) && test::is_asleep(reader.pid()));
  victim.kill();
  queue.put(9);
  EXPECT_EQ(reader.wait(), exited(9));
  bury();
}

TEST(QueueProcess, FreesWhatADeadProcessHadPutOnlyWhenItIsGot) {
  const memory::HeapUse before = memory::heap_use();
  {
    Queue<std::string> queue;
    Child writer{[&] {
      for (int i = 0; i < 10; ++i) {
        queue.put(std::string(10000, 'z'));
      }
      ::raise(SIGKILL);
    }};
    EXPECT_EQ(writer.wait(), test::killed_by(SIGKILL));
    bury();
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(queue.get(), std::string(10000, 'z'));
    }
    EXPECT_EQ(queue.try_get(), std::nullopt);
  }
  EXPECT_EQ(memory::heap_use().blocks, before.blocks);
}

// Ledger: every writer notes the number of an item before its put and after it; every reader notes
// what it got. Killing is random; an item whose put returned must be got, unless its reader was
// killed holding it, and nothing may be got twice unless a reader was killed.
struct Ledger {
  static constexpr std::size_t kWriters = 3;
  static constexpr std::size_t kMost = 1 << 18;
  struct Page {
    std::atomic<std::uint64_t> begun{0};
    std::atomic<std::uint64_t> ended{0};
    std::array<std::atomic<std::uint8_t>, kMost> got{};
  };
  std::array<Page, kWriters> writers{};
  std::atomic<std::uint64_t> corrupt{0};
  std::atomic<bool> stop{false};
};

struct Letter {
  std::uint64_t writer;
  std::uint64_t number;
  std::string text;
};

std::string text_of(std::uint64_t writer, std::uint64_t number) {
  return std::string((number * 37 + writer) % 300, static_cast<char>('a' + number % 26));
}

void write_letters(Queue<Letter>& queue, Ledger& ledger, std::size_t writer) {
  Ledger::Page& page = ledger.writers.at(writer);
  while (!ledger.stop.load()) {
    const std::uint64_t number = page.begun.load();
    if (number == Ledger::kMost) {
      return;
    }
    page.begun.store(number + 1);
    if (queue.try_put_for({writer, number, text_of(writer, number)}, 20s)) {
      page.ended.store(number + 1);
    }
  }
}

void take_note(Ledger& ledger, const Letter& letter) {
  if (letter.writer >= Ledger::kWriters || letter.number >= Ledger::kMost ||
      letter.text != text_of(letter.writer, letter.number)) {
    ledger.corrupt.fetch_add(1);
    return;
  }
  ledger.writers.at(letter.writer).got.at(letter.number).fetch_add(1);
}

void soak(std::size_t bound, int kills) {
  constexpr std::size_t kReaders = 3;
  test::Shared<Ledger> ledger;
  Queue<Letter> queue{bound};
  std::vector<std::unique_ptr<Child>> parties(Ledger::kWriters + kReaders);
  const auto start = [&](std::size_t i) {
    parties[i].reset();
    parties[i] = std::make_unique<Child>([&, i] {
      if (i < Ledger::kWriters) {
        write_letters(queue, *ledger, i);
        return;
      }
      for (;;) {
        take_note(*ledger, queue.get());
      }
    });
  };
  for (std::size_t i = 0; i < parties.size(); ++i) {
    start(i);
  }
  std::mt19937 random{std::random_device{}()};
  for (int kill = 0; kill < kills; ++kill) {
    const std::size_t i = random() % parties.size();
    std::this_thread::sleep_for(std::chrono::microseconds{random() % 2000});
    parties[i]->kill();
    bury();
    start(i);
  }
  ledger->stop.store(true);
  for (std::size_t i = 0; i < Ledger::kWriters; ++i) {
    EXPECT_EQ(parties[i]->wait(), exited(0));
  }
  for (std::size_t i = Ledger::kWriters; i < parties.size(); ++i) {
    parties[i]->kill();
  }
  bury();
  while (auto letter = queue.try_get()) {
    take_note(*ledger, *letter);
  }
  EXPECT_EQ(queue.qsize(), 0u);
  EXPECT_EQ(ledger->corrupt.load(), 0u);
  int missing = 0;
  int twice = 0;
  for (const Ledger::Page& page : ledger->writers) {
    for (std::uint64_t n = 0; n < page.begun.load(); ++n) {
      missing += page.got.at(n).load() == 0 ? 1 : 0;
      twice += page.got.at(n).load() > 1 ? 1 : 0;
    }
  }
  // Each killed writer may leave one item not put, each killed reader one got and not noted.
  EXPECT_LE(missing, kills + static_cast<int>(kReaders));
  EXPECT_EQ(twice, 0);
}

TEST(QueueProcess, LosesNothingUnderRandomKills) {
  soak(0, 60);
}

TEST(QueueProcess, LosesNothingUnderRandomKillsWhenBounded) {
  soak(5, 60);
}

}  // namespace
}  // namespace mp
