// SPDX-License-Identifier: Apache-2.0
// put and get, killed at every instruction: what was put is never lost, what was got never comes
// again, and nobody is held up.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

#include "mp/codec.hpp"
#include "mp/queue.hpp"

#include "harness/kill_harness.hpp"
#include "memory/allocator.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;

// Numbers of the items: those that were inside first, what the victims put, what others put.
constexpr int kVictims = 1'000'000;
constexpr int kOthers = 2'000'000;

struct Counts {
  std::atomic<int> begun{0};     // victims
  std::atomic<int> returned{0};  // their operations that are known to have returned
  std::atomic<int> others{0};    // items that others have put
  std::atomic<int> taken{0};     // first items that others have got
};

struct Item {
  int number;
  std::string rest;
};

class Subject {
 public:
  Subject(std::string name, std::string state, int inside, std::size_t bytes, std::size_t bound = 0)
      : name_{std::move(name)},
        state_{std::move(state)},
        inside_{inside},
        bytes_{bytes},
        bound_{bound} {}

  Operation put() {
    Operation operation = base("Queue.put");
    operation.run = [this] {
      queue().put(item(kVictims));
      counts_->returned.fetch_add(1);
    };
    return operation;
  }
  Operation get() {
    Operation operation = base("Queue.get");
    operation.run = [this] {
      queue().get();
      counts_->returned.fetch_add(1);
    };
    return operation;
  }
  Operation put_with_sleeper() {
    Operation operation = put();
    operation.waiters = {[this] { queue().get(); }};
    operation.owed = [this] { return queue().qsize() > 0; };
    operation.while_stopped = {};
    operation.second = {};
    operation.verify = [this] {
      memory::bury_the_dead();
      queue().put(item(kOthers));  // for the sleeper, if the victim's never came
      queue().put(item(kOthers));
      check(queue().try_get_for(1s).has_value(), "an item that was put cannot be got");
    };
    return operation;
  }

 private:
  JoinableQueue<Item>& queue() { return *queue_; }
  Item item(int number) const { return {number, std::string(bytes_, 'x')}; }

  Operation base(const std::string& verb) {
    const bool puts = verb == "Queue.put";
    return {.name = name_.empty() ? verb : name_,
            .state = state_,
            .setup =
                [this] {
                  counts_->begun = counts_->returned = counts_->others = counts_->taken = 0;
                  queue_.emplace(bound_);
                  for (int i = 0; i < inside_; ++i) {
                    queue().put(item(i));
                  }
                },
            .teardown = [this] { queue_.reset(); },
            .warm =
                [this] {
                  static_cast<void>(memory::this_thread());
                  static_cast<void>(queue().maxsize());
                  counts_->begun.fetch_add(1);
                },
            .while_stopped =
                [this, alone = puts && inside_ == 0] {
                  if (alone) {
                    go_on_beside_one();
                  } else {
                    go_on();
                  }
                },
            .verify =
                [this, puts] {
                  memory::bury_the_dead();
                  go_on();
                  balance(puts);
                }};
  }

  // Others get what is first and put one more, whoever is stopped or dead where.
  void go_on() {
    while (const std::optional<Item> first = queue().try_get()) {
      note(*first);
      break;
    }
    check(queue().try_put_for(item(kOthers), 1s), "nobody can put any more");
    counts_->others.fetch_add(1);
  }

  // The same while one may be stopped inside who is alone at his side: then others wait in vain,
  // and nothing is lost by that.
  void go_on_beside_one() {
    if (const std::optional<Item> first = queue().try_get()) {
      note(*first);
    }
    if (queue().try_put_for(item(kOthers), 1ms)) {
      counts_->others.fetch_add(1);
    }
  }

  void note(const Item& got) {
    check(got.rest == std::string(bytes_, 'x'), "an item is corrupt");
    if (got.number < kVictims) {
      counts_->taken.fetch_add(1);
    } else if (got.number == kVictims) {
      counts_->begun.fetch_sub(1);
      counts_->returned.fetch_sub(1);
    } else {
      counts_->others.fetch_sub(1);
    }
  }

  void balance(bool puts) {
    while (const std::optional<Item> got = queue().try_get()) {
      note(*got);
    }
    check(queue().qsize() == 0, "the count of items is wrong");
    check(counts_->others == 0, "an item of the others was lost or came twice");
    const int missing = inside_ - counts_->taken;
    const int most = puts ? 0 : counts_->begun.load();
    check(missing >= (puts ? 0 : counts_->returned.load()), "an item was delivered twice");
    check(missing <= most, "an item was lost");
    if (puts) {
      check(counts_->returned <= 0, "an item whose put returned was lost");
      check(counts_->begun >= 0, "an item came twice");
    }
  }

  std::string name_;
  std::string state_;
  int inside_;
  std::size_t bytes_;
  std::size_t bound_;
  test::Shared<Counts> counts_;
  std::optional<JoinableQueue<Item>> queue_;
};

TEST(QueueKill, PutOfASmallItem) {
  expect_survival(Subject{"", "three inside", 3, 10}.put());
}
TEST(QueueKill, PutOfALargeItem) {
  expect_survival(Subject{"", "4 KiB", 3, 4096}.put());
}
TEST(QueueKill, FirstPut) {
  expect_survival(Subject{"", "new", 0, 10}.put());
}
TEST(QueueKill, PutThatAddsASegment) {
  expect_survival(Subject{"", "growing", 512, 10}.put());
}
TEST(QueueKill, PutIntoTheLastPlace) {
  expect_survival(Subject{"", "bounded", 2, 10, 5}.put());
}
TEST(QueueKill, PutThatWakes) {
  expect_survival(Subject{"", "a reader asleep", 0, 10}.put_with_sleeper());
}
TEST(QueueKill, GetOfASmallItem) {
  expect_survival(Subject{"", "three inside", 3, 10}.get());
}
TEST(QueueKill, GetOfALargeItem) {
  expect_survival(Subject{"", "4 KiB", 3, 4096}.get());
}
TEST(QueueKill, GetOfABoundedQueue) {
  expect_survival(Subject{"", "full", 5, 10, 5}.get());
}

}  // namespace
}  // namespace mp::crash
