// SPDX-License-Identifier: Apache-2.0
// Several threads and processes at the ends of a pipe.
#include "mp/connection/pipe.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "mp/codec.hpp"
#include "mp/errors/error.hpp"

#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/cpu.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;

// What a message says of itself, so that a receiver can tell whether it is whole.
struct Numbered {
  std::uint32_t sender;
  std::uint64_t number;
  std::vector<std::uint64_t> filling;

  static Numbered make(std::uint32_t sender, std::uint64_t number, std::size_t size) {
    Numbered made{sender, number, std::vector<std::uint64_t>(size)};
    for (std::size_t i = 0; i < size; ++i) {
      made.filling[i] = number * 1'000'003 + sender * 31 + i;
    }
    return made;
  }
  bool is_whole() const {
    for (std::size_t i = 0; i < filling.size(); ++i) {
      if (filling[i] != number * 1'000'003 + sender * 31 + i) {
        return false;
      }
    }
    return true;
  }
};

// Mostly short, now and then in the middle, seldom a block.
std::size_t filling_of(std::uint64_t number) {
  return number % 97 == 0 ? 5000 : number % 13 == 0 ? 400 : number % 7;
}

TEST(Pipe, AnswersBetweenTwoProcesses) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  Child child{[b = b] {
    for (int i = 0; i < 2000; ++i) {
      b.send(b.recv<int>() + 1);
    }
  }};
  for (int i = 0; i < 2000; ++i) {
    a.send(i);
    ASSERT_EQ(a.recv<int>(), i + 1);
  }
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

TEST(Pipe, AnswersOnOneCpu) {
  const test::PinnedCpu pinned{test::usable_cpus().front()};
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  Child child{[b = b] {
    for (int i = 0; i < 500; ++i) {
      b.send(b.recv<int>() + 1);
    }
  }};
  for (int i = 0; i < 500; ++i) {
    a.send(i);
    ASSERT_EQ(a.recv<int>(), i + 1);
  }
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

TEST(Pipe, StreamsMessagesOfAllSizes) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  Child child{[writer = writer] {
    for (std::uint64_t n = 0; n < 20'000; ++n) {
      writer.send(Numbered::make(1, n, filling_of(n)));
    }
  }};
  for (std::uint64_t n = 0; n < 20'000; ++n) {
    const auto message = reader.recv<Numbered>();
    ASSERT_EQ(message.number, n);
    ASSERT_TRUE(message.is_whole());
  }
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

TEST(Pipe, StreamsBothWaysAtOnce) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  const auto talk = [](const Connection& end) {
    std::thread sender{[&] {
      for (std::uint64_t n = 0; n < 5000; ++n) {
        end.send(Numbered::make(1, n, filling_of(n)));
      }
    }};
    bool ok = true;
    for (std::uint64_t n = 0; n < 5000; ++n) {
      const auto message = end.recv<Numbered>();
      ok = ok && message.number == n && message.is_whole();
    }
    sender.join();
    return ok;
  };
  Child child{[&, b = b] { EXPECT_TRUE(talk(b)); }};
  EXPECT_TRUE(talk(a));
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

// Checks that every message of every sender arrived once, and in the sender's order when one
// receiver took them all.
class Tally {
 public:
  void add(const Numbered& message, bool in_order) {
    EXPECT_TRUE(message.is_whole());
    auto& seen = seen_[message.sender];
    seen.resize(std::max(seen.size(), static_cast<std::size_t>(message.number + 1)));
    EXPECT_FALSE(seen[message.number]) << "delivered twice";
    if (in_order && message.number > 0) {
      EXPECT_TRUE(seen[message.number - 1]);
    }
    seen[message.number] = true;
    ++count_;
  }
  std::uint64_t count() const { return count_; }

 private:
  std::map<std::uint32_t, std::vector<bool>> seen_;
  std::uint64_t count_ = 0;
};

TEST(Pipe, TakesTurnsAmongThreads) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  constexpr std::uint64_t kEach = 4000;
  std::vector<std::thread> threads;
  for (std::uint32_t sender = 0; sender < 3; ++sender) {
    threads.emplace_back([a = a, sender] {
      for (std::uint64_t n = 0; n < kEach; ++n) {
        a.send(Numbered::make(sender, n, filling_of(n)));
      }
    });
  }
  std::atomic<std::uint64_t> left{3 * kEach};
  std::vector<std::vector<Numbered>> received(3);
  for (auto& mine : received) {
    threads.emplace_back([b = b, &mine, &left] {
      while (left.load() != 0) {
        if (auto message = b.try_recv_for<Numbered>(5ms)) {
          mine.push_back(std::move(*message));
          left.fetch_sub(1);
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  Tally tally;
  for (const auto& mine : received) {
    for (const auto& message : mine) {
      tally.add(message, false);
    }
  }
  EXPECT_EQ(tally.count(), 3 * kEach);
}

TEST(Pipe, TakesTurnsAmongProcesses) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  constexpr std::uint64_t kEach = 3000;
  std::vector<Child> children;
  for (std::uint32_t sender = 0; sender < 4; ++sender) {
    children.emplace_back([writer = writer, sender] {
      for (std::uint64_t n = 0; n < kEach; ++n) {
        writer.send(Numbered::make(sender, n, filling_of(n)));
      }
    });
  }
  Tally tally;
  for (std::uint64_t n = 0; n < 4 * kEach; ++n) {
    tally.add(reader.recv<Numbered>(), true);
  }
  EXPECT_EQ(tally.count(), 4 * kEach);
  for (auto& child : children) {
    EXPECT_EQ(child.wait(), test::exited(0));
  }
  memory::bury_the_dead();
}

TEST(Pipe, WakesASleepingReceiver) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  test::Signal ready;
  for (int round = 0; round < 20; ++round) {
    Child child{[&, b = b] {
      ready.raise();
      EXPECT_EQ(b.recv<int>(), round);
    }};
    ready.await();
    EXPECT_EVENTUALLY(test::is_asleep(child.pid()));
    a.send(round);
    EXPECT_EQ(child.wait(), test::exited(0));
  }
  memory::bury_the_dead();
}

TEST(Pipe, WakesASleepingSender) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  Child child{[a = a] {
    for (int i = 0; i < 100; ++i) {
      a.send(std::vector<int>(1000, i));
    }
  }};
  EXPECT_EVENTUALLY(test::is_asleep(child.pid()));
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(b.recv<std::vector<int>>(), std::vector<int>(1000, i));
  }
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

TEST(Pipe, WakesAPollerAndAReceiver) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  std::thread poller{[b = b] { EXPECT_TRUE(b.poll(20s)); }};
  std::optional<int> got;
  std::thread receiver{[b = b, &got] {
    // The poller must have seen it too before it is taken: two messages.
    got = b.recv<int>();
  }};
  a.send(1);
  a.send(2);
  poller.join();
  receiver.join();
  EXPECT_EQ(got, 1);
}

TEST(Pipe, EndsCallsOfOtherThreadsWhenItIsClosed) {
  for (int round = 0; round < 20; ++round) {
    Connection a;
    Connection b;
    std::tie(a, b) = Pipe();
    std::thread receiver{[a = a] { EXPECT_THROW(a.recv<int>(), ClosedError); }};
    std::thread poller{[a = a] { EXPECT_THROW(static_cast<void>(a.poll(20s)), ClosedError); }};
    std::thread sender{[a = a] {
      try {
        for (;;) {
          a.send(std::vector<int>(1000));
        }
      } catch (const ClosedError& error) {
        EXPECT_NE(error.code(), Errc::end_of_file);
      }
    }};
    if (round % 2 == 0) {
      std::this_thread::yield();
    }
    a.close();
    receiver.join();
    poller.join();
    sender.join();
  }
}

TEST(Pipe, GoesOnWhenASenderWasStoppedAsleep) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  Child stopped{[b = b] { static_cast<void>(b.recv<int>()); }};
  EXPECT_EVENTUALLY(test::is_asleep(stopped.pid()));
  stopped.send_signal(SIGSTOP);
  EXPECT_EVENTUALLY(test::view_process(stopped.pid()).state == 'T');
  // A stopped process that waits at the same end does not keep others from receiving.
  for (int i = 0; i < 100; ++i) {
    a.send(i);
    EXPECT_EQ(b.recv<int>(), i);
  }
  stopped.kill();
  memory::bury_the_dead();
}

TEST(Pipe, CarriesEndsToOtherProcesses) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  Child child{[b = b] {
    for (int i = 0; i < 50; ++i) {
      auto end = b.recv<Connection>();
      end.send(i);
      end.close();
    }
  }};
  for (int i = 0; i < 50; ++i) {
    Connection mine;
    Connection yours;
    std::tie(mine, yours) = Pipe();
    a.send(yours);
    yours.close();
    EXPECT_EQ(mine.recv<int>(), i);
    EXPECT_THROW(mine.recv<int>(), EOFError);
  }
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

TEST(Pipe, SurvivesKillsOfBothSides) {
  // Writers and readers that are killed at random. What one incarnation of the writer sent arrives
  // without a gap, but for what a killed reader had taken; nothing arrives twice.
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  Connection report;
  Connection reports;
  std::tie(report, reports) = Pipe(simplex);
  Tally tally;
  std::uint64_t kills = 0;
  for (std::uint32_t round = 0; round < 60; ++round) {
    Child sender{[writer = writer, round] {
      for (std::uint64_t n = 0;; ++n) {
        writer.send(Numbered::make(round, n, filling_of(n)));
      }
    }};
    Child receiver{[reader = reader, reports = reports] {
      for (;;) {
        const auto message = reader.recv<Numbered>();
        reports.send(Numbered{message.sender, message.number, {message.is_whole()}});
      }
    }};
    for (std::uint32_t n = 0; n < 20 + round * 7; ++n) {
      const auto line = report.recv<Numbered>();
      ASSERT_EQ(line.filling.at(0), 1u) << "torn";
      tally.add(Numbered{line.sender, line.number, {}}, false);
    }
    Child& first = round % 2 == 0 ? sender : receiver;
    Child& second = round % 2 == 0 ? receiver : sender;
    first.kill();
    ++kills;
    if (round % 3 != 0) {
      memory::bury_the_dead();
    }
    second.kill();
    ++kills;
    memory::bury_the_dead();
    // Whatever was left in the rings is whole.
    while (auto message = reader.try_recv<Numbered>()) {
      ASSERT_TRUE(message->is_whole());
      tally.add(Numbered{message->sender, message->number, {}}, false);
    }
    while (auto line = report.try_recv<Numbered>()) {
      ASSERT_EQ(line->filling.at(0), 1u) << "torn";
      tally.add(Numbered{line->sender, line->number, {}}, false);
    }
  }
  EXPECT_EQ(kills, 120u);
  EXPECT_GT(tally.count(), 1000u);
}

}  // namespace
}  // namespace mp
