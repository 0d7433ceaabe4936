// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/segment_queue.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/errors/error.hpp"
#include "mp/shared/segment.hpp"

#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

struct Job {
  int number;
  double weight;
};
// Has no default, and is as large as a page: several are cut short if they can be.
struct Large {
  explicit Large(int value) { words.fill(value); }
  [[nodiscard]] bool is_whole() const {
    return std::count(words.begin(), words.end(), words[0]) == std::ssize(words);
  }
  std::array<int, 1024> words;
};

TEST(SegmentQueue, IsFirstInFirstOut) {
  const test::Shared<SegmentQueue<Job, 3>> queue;
  EXPECT_TRUE(queue->empty());
  EXPECT_EQ(queue->maxsize(), 3U);
  for (int round = 0; round < 10; ++round) {
    queue->put({1, 1.5});
    queue->put_nowait({2, 2.5});
    EXPECT_TRUE(queue->try_put({3, 3.5}));
    EXPECT_TRUE(queue->full());
    EXPECT_EQ(queue->qsize(), 3U);
    EXPECT_EQ(queue->get().weight, 1.5);
    EXPECT_EQ(queue->get_nowait().number, 2);
    EXPECT_EQ(queue->try_get()->number, 3);
  }
  EXPECT_TRUE(queue->empty());
}

TEST(SegmentQueue, TellsThatItIsFullOrEmpty) {
  const test::Shared<SegmentQueue<int, 1>> queue;
  EXPECT_THROW(queue->get_nowait(), Empty);
  EXPECT_THROW(queue->get(-1s), Empty);
  EXPECT_THROW(queue->get(2ms), Empty);
  EXPECT_FALSE(queue->try_get().has_value());
  EXPECT_FALSE(queue->try_get_for(1ms).has_value());
  queue->put(7);
  EXPECT_THROW(queue->put_nowait(8), Full);
  EXPECT_THROW(queue->put(8, 2ms), Full);
  EXPECT_FALSE(queue->try_put(8));
  EXPECT_FALSE(queue->try_put_for(8, 1ms));
  EXPECT_EQ(queue->get(std::chrono::hours::max()), 7);
}

TEST(SegmentQueue, IsFoundByItsNameAndType) {
  const std::string name = "mp-test-segment-queue-" + std::to_string(::getpid());
  const Segment segment{create, name, 1 << 16};
  segment.find_or_construct<SegmentQueue<Job, 10>>("jobs").put({7, 0.5});
  EXPECT_EQ(test::in_child([&] {
              const Segment same{open, name};
              EXPECT_EQ((same.find<SegmentQueue<Job, 10>>("jobs")->get(1s).number), 7);
              EXPECT_THROW(static_cast<void>(same.find<SegmentQueue<Job, 11>>("jobs")),
                           TypeMismatch);
            }),
            exited(0));
  EXPECT_THROW((segment.find_or_construct<SegmentQueue<Large, 100>>("large")), OutOfMemory);
  segment.unlink();
}

TEST(SegmentQueue, WakesWhoWaitsAtEitherEnd) {
  const test::Shared<SegmentQueue<int, 1>> queue;
  Child getter{[&] { EXPECT_EQ(queue->get(), 5); }};
  ASSERT_EVENTUALLY(test::is_asleep(getter.pid()));
  queue->put(5);
  EXPECT_EQ(getter.wait(), exited(0));
  queue->put(6);
  Child putter{[&] { queue->put(7); }};
  ASSERT_EVENTUALLY(test::is_asleep(putter.pid()));
  EXPECT_EQ(queue->get(), 6);
  EXPECT_EQ(putter.wait(), exited(0));
  EXPECT_EQ(queue->get(), 7);
}

TEST(SegmentQueue, LosesAndDoublesNothingBetweenManyOfBoth) {
  constexpr int kEach = 5000;
  constexpr int kPutters = 3;
  const test::Shared<SegmentQueue<int, 7>> queue;
  const test::Shared<std::array<std::atomic<int>, kPutters * kEach>> seen;
  std::vector<Child> children;
  for (int p = 0; p < kPutters; ++p) {
    children.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) {
        queue->put(p * kEach + i);
      }
    });
    children.emplace_back([&] {
      std::array<int, kPutters> last;
      last.fill(-1);
      for (int i = 0; i < kEach; ++i) {
        const int item = queue->get();
        (*seen)[static_cast<std::size_t>(item)].fetch_add(1);
        int& before = last[static_cast<std::size_t>(item / kEach)];
        EXPECT_LT(before, item) << "out of order";
        before = item;
      }
    });
  }
  for (Child& child : children) {
    EXPECT_EQ(child.wait(), exited(0));
  }
  EXPECT_TRUE(queue->empty());
  EXPECT_TRUE(std::all_of(seen->begin(), seen->end(), [](const auto& n) { return n == 1; }));
}

TEST(SegmentQueue, GoesOnWhoeverIsKilled) {
  const test::Shared<SegmentQueue<Large, 4>> queue;
  const test::Shared<std::atomic<int>> beats;
  const auto produce = [&] {
    for (int i = 0;; ++i) {
      queue->put(Large{i});
    }
  };
  const auto consume = [&] {
    for (;;) {
      if (!queue->get().is_whole()) {
        return 1;
      }
      beats->fetch_add(1);
    }
  };
  Child steady_producer{produce};
  Child steady_consumer{consume};
  for (int round = 0; round < 60; ++round) {
    Child producer{produce};
    Child consumer{consume};
    const int begin = *beats;
    ASSERT_EVENTUALLY(*beats > begin + round % 20) << "in round " << round;
    ASSERT_EQ(producer.kill(), test::killed_by(SIGKILL));
    ASSERT_EQ(consumer.kill(), test::killed_by(SIGKILL));
  }
  EXPECT_FALSE(steady_consumer.has_ended()) << "an item was torn";
  EXPECT_EQ(steady_producer.kill(), test::killed_by(SIGKILL));
  EXPECT_EQ(steady_consumer.kill(), test::killed_by(SIGKILL));
}

TEST(SegmentQueue, DoesNotWaitForWhoIsStoppedInsideWhereItMustNot) {
  const test::Shared<SegmentQueue<Large, 2>> queue;
  Child putter{[&] {
    for (;;) {
      static_cast<void>(queue->try_put(Large{1}));
      static_cast<void>(queue->try_get());
    }
  }};
  // Sooner or later it is stopped with a lock; whenever it is, nobody hangs.
  for (int round = 0; round < 50; ++round) {
    putter.send_signal(SIGSTOP);
    ASSERT_EVENTUALLY(test::view_process(putter.pid()).state == 'T');
    static_cast<void>(queue->try_get());
    static_cast<void>(queue->try_put(Large{2}));
    putter.send_signal(SIGCONT);
  }
  EXPECT_EQ(putter.kill(), test::killed_by(SIGKILL));
  while (queue->try_get()) {
  }
  queue->put(Large{3}, 1s);
  EXPECT_TRUE(queue->get(1s).is_whole());
}

TEST(SegmentQueue, BelievesNoNonsense) {
  const test::Shared<SegmentQueue<int, 3>> queue;
  std::memset(reinterpret_cast<std::byte*>(queue.get()) + 40, 0x5a, 4);  // a position
  EXPECT_THROW(queue->put(1), SegmentBroken);
  EXPECT_THROW(queue->get(), SegmentBroken);
  EXPECT_LE(queue->qsize(), 3U);
}

}  // namespace
}  // namespace mp
