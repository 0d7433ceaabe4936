// SPDX-License-Identifier: Apache-2.0
// The queue of unrelated programs, killed at every instruction: an item whose put returned comes
// out once, in its turn and whole, or was with a reader that died; and nobody hangs.
#include <array>
#include <chrono>
#include <gtest/gtest.h>
#include <optional>
#include <vector>

#include "mp/shared/segment_queue.hpp"

#include "harness/kill_harness.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;

// Whole when all its numbers are one.
struct Item {
  explicit Item(int value) { numbers.fill(value); }
  std::array<int, 12> numbers;
};

template <std::uint32_t kMaxsize>
class Subject {
 public:
  using Queue = SegmentQueue<Item, kMaxsize>;

  explicit Subject(std::vector<int> items) : items_{std::move(items)} {}
  Queue& operator*() { return **queue_; }
  Queue* operator->() { return queue_->get(); }

  // Takes all that is inside.
  std::vector<int> drain() {
    std::vector<int> all;
    while (const std::optional<Item> item = (*queue_)->try_get()) {
      for (const int number : item->numbers) {
        check(number == item->numbers[0], "an item is torn");
      }
      all.push_back(item->numbers[0]);
    }
    return all;
  }
  // Both ends work, over more than one round of the cells.
  void use() {
    for (int i = 0; i < 2 * static_cast<int>(kMaxsize) + 1; ++i) {
      check((*queue_)->try_put_for(Item{i}, 1s), "there is no room in an empty queue");
      const std::optional<Item> item = (*queue_)->try_get_for(1s);
      check(item && item->numbers[0] == i, "what was put does not come out");
    }
  }

  Operation operation(const char* name, const char* state) {
    return {.name = name,
            .state = state,
            .setup =
                [this] {
                  queue_.emplace();
                  for (const int item : items_) {
                    (*queue_)->put(Item{item});
                  }
                },
            .teardown = [this] { queue_.reset(); },
            .warm = [this] { static_cast<void>((*queue_)->qsize()); }};
  }

 private:
  std::vector<int> items_;
  std::optional<test::Shared<Queue>> queue_;
};

TEST(SegmentQueueKill, KeepsItsItemsInOrderWhoeverPuts) {
  Subject<8> queue{{1, 2}};
  Operation operation = queue.operation("SegmentQueue.put", "two of eight");
  operation.run = [&] { queue->put(Item{3}); };
  operation.second = [&] { queue->put(Item{4}); };
  operation.verify = [&] {
    const std::vector<int> left = queue.drain();
    check(left.size() >= 2 && left.size() <= 4 && left[0] == 1 && left[1] == 2,
          "an item is lost that had been put");
    for (std::size_t i = 2; i < left.size(); ++i) {
      check(left[i] == 3 || left[i] == 4, "an item that nobody put");
    }
    check(left.size() < 4 || left[2] != left[3], "an item is there twice");
    queue.use();
  };
  expect_survival(operation);
}

TEST(SegmentQueueKill, KeepsItsItemsInOrderWhoeverGets) {
  Subject<4> queue{{1, 2, 3, 4}};
  Operation operation = queue.operation("SegmentQueue.get", "full");
  operation.run = [&] { static_cast<void>(queue->get()); };
  operation.second = operation.run;
  operation.verify = [&] {
    const std::vector<int> left = queue.drain();
    check(left.size() >= 2 && left.size() <= 4, "more is gone than two readers had");
    for (std::size_t i = 0; i < left.size(); ++i) {
      check(left[i] == static_cast<int>(5 - left.size() + i), "an item is lost that nobody had");
    }
    queue.use();
  };
  expect_survival(operation);
}

TEST(SegmentQueueKill, LosesNoWakeUpOfItsReaders) {
  Subject<4> queue{{}};
  Operation operation = queue.operation("SegmentQueue.put", "two readers sleep");
  operation.run = [&] { queue->put(Item{1}); };
  operation.second = [&] { queue->put(Item{2}); };
  const auto wait = [&] { static_cast<void>(queue->get()); };
  operation.waiters = {wait, wait};
  operation.owed = [] { return false; };  // one item, and two who wait for it
  operation.verify = [&] {
    queue->put(Item{3}, 1s);
    queue->put(Item{4}, 1s);
  };
  expect_survival(operation);
}

TEST(SegmentQueueKill, WakesTheReaderOfWhatWasPut) {
  Subject<4> queue{{}};
  Operation operation = queue.operation("SegmentQueue.put", "a reader sleeps");
  operation.run = [&] { queue->put(Item{1}); };
  operation.waiters = {[&] { static_cast<void>(queue->get()); }};
  operation.owed = [&] { return !queue->empty(); };
  operation.verify = [&] { queue->put(Item{2}, 1s); };  // and leave it to the reader
  expect_survival(operation);
}

TEST(SegmentQueueKill, WakesTheWriterForWhomThereIsRoom) {
  Subject<1> queue{{1}};
  Operation operation = queue.operation("SegmentQueue.get", "full, a writer sleeps");
  operation.run = [&] { static_cast<void>(queue->get()); };
  operation.waiters = {[&] { queue->put(Item{2}); }};
  operation.owed = [&] { return queue->empty(); };
  operation.verify = [&] {  // the writer may be dead as well
    for (int i = 0; i < 3; ++i) {
      while (!queue->try_put_for(Item{3}, 1ms)) {
        static_cast<void>(queue->try_get());
      }
      check(queue->try_get_for(1s).has_value(), "nothing comes out of a full queue");
    }
  };
  expect_survival(operation);
}

TEST(SegmentQueueKill, SurvivesItsSleepers) {
  Subject<4> queue{{}};
  Operation operation = queue.operation("SegmentQueue.get", "empty");
  operation.run = [&] { static_cast<void>(queue->get()); };
  operation.second = [&] { static_cast<void>(queue->try_get_for(10ms)); };
  operation.when_asleep = [&] { queue->put(Item{1}); };
  operation.verify = [&] {
    check(queue.drain().size() <= 1, "an item that nobody put");
    queue.use();
  };
  expect_survival(operation);
}

}  // namespace
}  // namespace mp::crash
