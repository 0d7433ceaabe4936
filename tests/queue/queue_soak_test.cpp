// SPDX-License-Identifier: Apache-2.0
// Queues at length: thousands of random SIGKILLs, ten million items with no reader, a thousand
// processes on one queue. Not part of a usual run; what was counted is printed.
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include "mp/codec.hpp"
#include "mp/queue.hpp"

#include "memory/allocator.hpp"
#include "memory/arena.hpp"
#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/shared.hpp"
#include "support/watchdog.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;

constexpr std::size_t kWriters = 8;
constexpr std::size_t kReaders = 8;
constexpr std::size_t kMost = 1 << 20;  // items of one writer

struct Ledger {
  struct Page {
    std::atomic<std::uint64_t> begun{0};
    std::array<std::atomic<std::uint8_t>, kMost> returned{};
    std::array<std::atomic<std::uint8_t>, kMost> got{};
  };
  std::array<Page, kWriters> writers{};
  std::atomic<std::uint64_t> corrupt{0};
  std::atomic<bool> stop{false};
};

struct Letter {
  std::uint64_t writer;
  std::uint64_t number;
  std::uint64_t sum;
  std::string text;
};

std::uint64_t sum_of(const Letter& letter) {
  std::uint64_t sum = 0xcbf29ce484222325 ^ letter.writer << 32 ^ letter.number;
  for (const char c : letter.text) {
    sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return sum;
}

// Most fit a slot, some are a block, and a few a large one.
std::size_t length_of(std::uint64_t number) {
  return number % 997 == 0 ? 200'000 : number % 16 == 0 ? 4096 : number % 60;
}

void write_letters(Queue<Letter>& queue, Ledger& ledger, std::size_t writer) {
  Ledger::Page& page = ledger.writers.at(writer);
  while (!ledger.stop.load()) {
    const std::uint64_t number = page.begun.load();
    if (number == kMost) {
      return;
    }
    page.begun.store(number + 1);
    Letter letter{writer, number, 0,
                  std::string(length_of(number), static_cast<char>('a' + number % 26))};
    letter.sum = sum_of(letter);
    if (queue.try_put_for(letter, 20s)) {
      page.returned.at(number).store(1);
    }
  }
}

void take_note(Ledger& ledger, const Letter& letter) {
  if (letter.writer >= kWriters || letter.number >= kMost || letter.sum != sum_of(letter) ||
      letter.text.size() != length_of(letter.number)) {
    ledger.corrupt.fetch_add(1);
    return;
  }
  ledger.writers.at(letter.writer).got.at(letter.number).fetch_add(1);
}

int count_of_kills() {
  const char* wanted = std::getenv("MP_SOAK_KILLS");
  return wanted == nullptr ? 5000 : std::atoi(wanted);
}

void soak(std::size_t bound, int kills) {
  test::set_test_timeout(15min);
  memory::bury_the_dead();
  const std::uint64_t blocks = memory::heap_use().blocks;
  test::Shared<Ledger> ledger;
  int killed_writers = 0;
  int killed_readers = 0;
  {
    Queue<Letter> queue{bound};
    std::vector<std::unique_ptr<Child>> parties(kWriters + kReaders);
    const auto start = [&](std::size_t i) {
      parties[i].reset();
      parties[i] = std::make_unique<Child>([&, i] {
        if (i < kWriters) {
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
    const auto seed = std::random_device{}();
    std::mt19937 random{seed};
    std::printf("seed %u\n", seed);
    while (killed_writers + killed_readers < kills) {
      const std::size_t i = random() % parties.size();
      std::this_thread::sleep_for(std::chrono::microseconds{random() % 1500});
      if (parties[i]->kill() == test::killed_by(SIGKILL)) {
        (i < kWriters ? killed_writers : killed_readers) += 1;
      }
      if (random() % 2 == 0) {
        memory::bury_the_dead();  // or else others must notice by themselves
      }
      start(i);
    }
    ledger->stop.store(true);
    for (std::size_t i = 0; i < kWriters; ++i) {
      EXPECT_EQ(parties[i]->wait(), test::exited(0));
    }
    for (std::size_t i = kWriters; i < parties.size(); ++i) {
      parties[i]->kill();
      ++killed_readers;
    }
    memory::bury_the_dead();
    while (auto letter = queue.try_get()) {
      take_note(*ledger, *letter);
    }
    EXPECT_EQ(queue.qsize(), 0u);
  }
  memory::bury_the_dead();
  EXPECT_EQ(memory::heap_use().blocks, blocks);
  std::uint64_t items = 0;
  int lost = 0;        // their put had returned
  int unreturned = 0;  // their writer was killed in the put
  int twice = 0;
  for (const Ledger::Page& page : ledger->writers) {
    items += page.begun.load();
    for (std::uint64_t n = 0; n < page.begun.load(); ++n) {
      const int got = page.got.at(n).load();
      (page.returned.at(n).load() != 0 ? lost : unreturned) += got == 0 ? 1 : 0;
      twice += got > 1 ? 1 : 0;
    }
  }
  std::printf(
      "%d kills (%d of readers), %llu items: %llu corrupt, %d twice, %d not put, %d in the "
      "hands of killed readers\n",
      killed_writers + killed_readers, killed_readers, static_cast<unsigned long long>(items),
      static_cast<unsigned long long>(ledger->corrupt.load()), twice, unreturned, lost);
  EXPECT_EQ(ledger->corrupt.load(), 0u);
  EXPECT_EQ(twice, 0);
  // A killed writer leaves at most one item not put; a killed reader at most one got, not noted.
  EXPECT_LE(unreturned, killed_writers);
  EXPECT_LE(lost, killed_readers);
}

TEST(QueueSoak, LosesNothingUnderThousandsOfKills) {
  soak(0, count_of_kills());
}

TEST(QueueSoak, LosesNothingUnderThousandsOfKillsWhenBounded) {
  soak(64, count_of_kills());
}

std::uint64_t bytes_in_memory() {
  struct stat status {};
  EXPECT_EQ(::fstat(memory::Arena::get().fd(), &status), 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

TEST(QueueSoak, HoldsTenMillionItemsAndGivesTheMemoryBack) {
  test::set_test_timeout(5min);
  constexpr std::uint64_t kItems = 10'000'000;
  constexpr std::uint64_t kSlot = 128;
  const std::uint64_t before = bytes_in_memory();
  Queue<std::uint64_t> queue;
  for (std::uint64_t i = 0; i < kItems; ++i) {
    queue.put(i);
  }
  EXPECT_EQ(queue.qsize(), kItems);
  const std::uint64_t full = bytes_in_memory();
  EXPECT_LE(full - before, kItems * kSlot * 11 / 10);
  for (std::uint64_t i = 0; i < kItems; ++i) {
    ASSERT_EQ(queue.get(), i);
  }
  const std::uint64_t after = bytes_in_memory();
  std::printf("before %llu MB, full %llu MB, drained %llu MB\n",
              static_cast<unsigned long long>(before >> 20),
              static_cast<unsigned long long>(full >> 20),
              static_cast<unsigned long long>(after >> 20));
  EXPECT_LE(after, before + (100 << 20));  // freed blocks keep 64 MiB
}

// Items a second that `processes` put and get, each as many as it gets.
double throughput(int processes, int items) {
  Queue<int> queue;
  struct Flags {
    std::atomic<int> ready{0};
    std::atomic<bool> go{false};
  };
  test::Shared<Flags> flags;
  std::vector<std::unique_ptr<Child>> children;
  const int each = items / processes;
  for (int p = 0; p < processes; ++p) {
    children.push_back(std::make_unique<Child>([&] {
      queue.put(0);  // first uses
      static_cast<void>(queue.get());
      flags->ready.fetch_add(1);
      while (!flags->go.load()) {
        std::this_thread::sleep_for(5ms);  // a thousand that yield would starve the rest
      }
      for (int i = 0; i < each; ++i) {
        queue.put(i);
        static_cast<void>(queue.get());
      }
    }));
  }
  while (flags->ready.load() < processes) {
    std::this_thread::sleep_for(5ms);
  }
  const auto begin = std::chrono::steady_clock::now();
  flags->go.store(true);
  for (auto& child : children) {
    EXPECT_EQ(child->wait(60s), test::exited(0));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(queue.qsize(), 0u);
  return each * processes / took.count();
}

TEST(QueueSoak, AThousandProcessesShareOneQueue) {
  test::set_test_timeout(5min);
  const double few = throughput(8, 4'000'000);
  const double many = throughput(1000, 4'000'000);
  memory::bury_the_dead();
  std::printf("8 processes %.2f M/s, 1000 processes %.2f M/s\n", few / 1e6, many / 1e6);
}

}  // namespace
}  // namespace mp
