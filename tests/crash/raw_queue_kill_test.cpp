// SPDX-License-Identifier: Apache-2.0
// The rarer states of a queue under the kill harness: items of 1 MiB, full and empty queues in
// which the victim sleeps, segments that come and go, shutdown, and what the dead have left in the
// slots.
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <utility>

#include "mp/errors/error.hpp"
#include "mp/queue/raw_queue.hpp"

#include "harness/kill_harness.hpp"
#include "memory/allocator.hpp"
#include "memory/object.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"
#include "queue/alone.hpp"
#include "queue/ring.hpp"
#include "support/child.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;
using Outcome = RawQueue::Outcome;

constexpr std::uint64_t kVictims = 10'000;  // the number of what victims put
constexpr std::uint64_t kOthers = 20'000;   // of what others put
constexpr std::size_t kInline = 16;
constexpr std::size_t kBlock = 4 << 10;
constexpr std::size_t kLarge = 1 << 20;

struct Counts {
  std::atomic<int> begun{0};     // operations of victims
  std::atomic<int> returned{0};  // those that are known to have returned
};

// An item carries its number at both ends. What lies between is written before the put begins to
// touch the queue, so it needs no kill points of its own.
void put(RawQueue& queue, std::uint64_t number, std::size_t size) {
  RawQueue::Draft draft;
  const MutableByteView room = draft.begin(size);
  std::memcpy(room.data(), &number, sizeof number);
  std::memcpy(room.data() + room.size() - sizeof number, &number, sizeof number);
  check(queue.put(draft, 1s) == Outcome::done, "nobody can put any more");
}

std::uint64_t number_of(const RawQueue::Item& item) {
  const ByteView bytes = item.bytes();
  std::array<std::uint64_t, 2> numbers{};
  check(bytes.size() >= kInline, "an item is too short");
  std::memcpy(&numbers[0], bytes.data(), sizeof numbers[0]);
  std::memcpy(&numbers[1], bytes.data() + bytes.size() - sizeof numbers[1], sizeof numbers[1]);
  check(numbers[0] == numbers[1], "an item is torn");
  return numbers[0];
}

class Subject {
 public:
  // `sizes`: of what is inside, and of what victims put.
  Subject(std::string state, int inside, std::pair<std::size_t, std::size_t> sizes,
          std::size_t bound = 0)
      : state_{std::move(state)}, inside_{inside}, sizes_{sizes}, bound_{bound} {}

  Operation put_one() {
    Operation operation = base("RawQueue.put");
    operation.run = [this] {
      RawQueue::Draft draft;
      const std::uint64_t number = kVictims;
      const MutableByteView room = draft.begin(sizes_.second);
      std::memcpy(room.data(), &number, sizeof number);
      std::memcpy(room.data() + room.size() - sizeof number, &number, sizeof number);
      check(queue().put(draft, Deadline::never()) == Outcome::done, "the put failed");
      counts_->returned.fetch_add(1);
    };
    operation.verify = [this] { balance(0, counts_->returned, counts_->begun); };
    return operation;
  }

  Operation get_one() {
    Operation operation = base("RawQueue.get");
    operation.run = [this] {
      RawQueue::Item item;
      check(queue().get(item, Deadline::never()) == Outcome::done, "the get failed");
      static_cast<void>(number_of(item));
      counts_->returned.fetch_add(1);
    };
    operation.verify = [this] { balance(counts_->begun, 0, 0); };
    return operation;
  }

  // Another operation, which neither puts nor gets.
  Operation other(const std::string& name, std::function<void()> run) {
    Operation operation = base(name);
    operation.run = std::move(run);
    operation.verify = [this] { balance(0, 0, 0); };
    return operation;
  }

  RawQueue& queue() { return *queue_; }
  // Both sides are everybody's from the beginning.
  void make_it_everybodys() {
    layout::QueueHead& head = *view().head;
    for (layout::Word* side : {&head.sole_writer, &head.sole_reader}) {
      check(queue::share(head, *side, memory::this_thread(), 1s, nullptr), "somebody is inside");
    }
  }
  queue::View view() {
    auto object = mp::detail::ObjectRef::from_id(
        queue().id(), static_cast<std::uint32_t>(memory::ObjectType::queue));
    return {.head = reinterpret_cast<layout::QueueHead*>(object.data())};
  }
  Counts& counts() { return *counts_; }

 private:
  Operation base(const std::string& verb) {
    return {.name = verb,
            .state = state_,
            .setup =
                [this] {
                  memory::bury_the_dead();
                  blocks_ = memory::heap_use().blocks;
                  counts_->begun = counts_->returned = 0;
                  queue_.emplace(bound_);
                  for (int i = 0; i < inside_; ++i) {
                    put(queue(), static_cast<std::uint64_t>(i), sizes_.first);
                  }
                },
            .teardown =
                [this] {
                  queue_.reset();
                  memory::bury_the_dead();
                  check(memory::heap_use().blocks == blocks_, "blocks are left in the arena");
                },
            .warm =
                [this] {
                  static_cast<void>(memory::this_thread());
                  static_cast<void>(queue().maxsize());
                  counts_->begun.fetch_add(1);
                }};
  }

  // Of what was inside at most `missing` items may be gone, none may have come twice; of the
  // victims' there are at least `least` and at most `most`. Afterwards the queue works.
  void balance(int missing, int least, int most) {
    memory::bury_the_dead();
    std::uint64_t before = 0;  // the sum of the numbers inside, to see that none came twice
    int first = 0;
    int victims = 0;
    RawQueue::Item item;
    while (queue().get(item, Deadline::now()) == Outcome::done) {
      const std::uint64_t number = number_of(item);
      check(number <= kOthers, "an item that nobody put");
      if (number < kVictims) {
        check((before >> (number % 64) & 1) == 0 || inside_ > 64, "an item came twice");
        before |= std::uint64_t{1} << (number % 64);
        ++first;
      } else if (number == kVictims) {
        ++victims;
      }
    }
    check(first <= inside_ && first >= inside_ - missing - taken_by_setup,
          "items of the setup are lost, or came twice");
    check(victims >= least, "an item whose put returned was lost");
    check(victims <= most, "an item came twice");
    check(queue().size() == 0, "the count of items is wrong");
    for (const std::size_t size : {kInline, kBlock}) {
      put(queue(), kOthers, size);
      check(queue().get(item, 1s) == Outcome::done, "an item that was put cannot be got");
      check(number_of(item) == kOthers, "not the item that was put");
    }
  }

 public:
  int taken_by_setup = 0;

 private:
  std::string state_;
  int inside_;
  std::pair<std::size_t, std::size_t> sizes_;
  std::size_t bound_;
  std::uint64_t blocks_ = 0;
  test::Shared<Counts> counts_;
  std::optional<RawQueue> queue_;
};

// A process that claims a slot and dies, and that nobody has buried.
template <class Claim>
void leave_a_dead_claim(Claim&& claim) {
  test::Child child{[&] {
    claim(memory::this_thread());
    ::raise(SIGKILL);
  }};
  static_cast<void>(child.wait());
}

TEST(RawQueueKill, PutsAndGetsOneMebibyte) {
  Subject empty{"empty, 1 MiB", 0, {kInline, kLarge}};
  expect_survival(empty.put_one());
  Subject some{"part full, 1 MiB", 3, {kLarge, kLarge}};
  expect_survival(some.put_one());
  expect_survival(some.get_one());
}

// What everybody claims, who has come second or later.
Operation among_many(Subject& subject, Operation operation) {
  operation.setup = [&subject, fill = operation.setup] {
    fill();
    subject.make_it_everybodys();
  };
  return operation;
}

TEST(RawQueueKill, PutsAmongMany) {
  for (const std::size_t size : {kInline, kBlock}) {
    for (const int inside : {0, 3, 512}) {
      Subject subject{std::to_string(inside) + " inside, " + std::to_string(size) + " bytes, many",
                      inside,
                      {kInline, size}};
      expect_survival(among_many(subject, subject.put_one()));
    }
  }
}

TEST(RawQueueKill, GetsAmongMany) {
  for (const std::size_t size : {kInline, kBlock}) {
    Subject subject{"part full, " + std::to_string(size) + " bytes, many", 3, {size, size}};
    expect_survival(among_many(subject, subject.get_one()));
  }
  Subject full{"full, many", 2, {kInline, kInline}, 2};
  expect_survival(among_many(full, full.get_one()));
}

TEST(RawQueueKill, EndsTheSolitudeOfTheDead) {
  for (const std::size_t size : {kInline, kBlock}) {
    Subject subject{"a dead one was alone, " + std::to_string(size) + " bytes", 3, {size, size}};
    for (Operation operation : {subject.put_one(), subject.get_one()}) {
      operation.setup = [&subject, fill = operation.setup, size] {
        fill();
        test::Child alone{[&] {
          RawQueue::Item item;
          check(subject.queue().get(item, 1s) == Outcome::done, "the setup failed");
          put(subject.queue(), 0, size);
        }};
        check(alone.wait() == test::exited(0), "the one before did not end well");
      };
      expect_survival(operation);
    }
  }
}

TEST(RawQueueKill, PutsLongItemsWhileTheQueueGrows) {
  Subject block{"growing, 4 KiB", 512, {kInline, kBlock}};
  expect_survival(block.put_one());
  Subject large{"growing, 1 MiB", 512, {kInline, kLarge}};
  expect_survival(large.put_one());
}

TEST(RawQueueKill, SleepsWhileTheQueueIsFull) {
  for (const std::size_t size : {kInline, kBlock, kLarge}) {
    Subject full{"full, " + std::to_string(size) + " bytes", 2, {size, size}, 2};
    Operation operation = full.put_one();
    operation.when_asleep = [&] {
      RawQueue::Item item;
      check(full.queue().get(item, 1s) == Outcome::done, "nothing can be got any more");
    };
    full.taken_by_setup = 2;
    expect_survival(kill_one(operation));
  }
}

TEST(RawQueueKill, SleepsWhileTheQueueIsEmpty) {
  for (const std::size_t size : {kInline, kBlock, kLarge}) {
    Subject empty{"empty, then " + std::to_string(size) + " bytes", 0, {size, size}};
    Operation operation = empty.get_one();
    operation.when_asleep = [&, size] { put(empty.queue(), kOthers, size); };
    expect_survival(kill_one(operation));
  }
}

TEST(RawQueueKill, GetsTheLastItemOfASegment) {
  Subject subject{"shrinking", 520, {kInline, kInline}};
  Operation operation = subject.get_one();
  operation.setup = [&subject, fill = operation.setup] {
    fill();
    RawQueue::Item item;
    for (int i = 0; i < 511; ++i) {
      check(subject.queue().get(item, 1s) == Outcome::done, "the setup failed");
    }
  };
  subject.taken_by_setup = 511;
  expect_survival(operation);
}

TEST(RawQueueKill, GetsWhatADeadReaderHad) {
  for (const std::size_t size : {kInline, kBlock}) {
    Subject subject{"after a dead reader, " + std::to_string(size) + " bytes", 3, {size, size}};
    Operation operation = subject.get_one();
    operation.setup = [&subject, fill = operation.setup] {
      fill();
      leave_a_dead_claim([&](memory::ThreadTag me) {
        queue::Claim claim;
        memory::ThreadTag busy = 0;
        static_cast<void>(queue::claim_to_read(subject.view(), me, claim, true, busy));
      });
    };
    expect_survival(operation);
    Operation sweep = operation;
    sweep.name = "sweep of a reader";
    sweep.run = [] { memory::bury_the_dead(); };
    expect_survival(sweep);
  }
}

TEST(RawQueueKill, PassesWhatADeadWriterHad) {
  Subject subject{"after a dead writer", 3, {kInline, kInline}};
  const auto with_dead_writer = [&](Operation operation) {
    operation.setup = [&subject, fill = operation.setup] {
      fill();
      leave_a_dead_claim([&](memory::ThreadTag me) {
        queue::Claim claim;
        static_cast<void>(queue::claim_to_write(subject.view(), me, claim));
      });
      for (const std::size_t size : {kBlock, kInline, kBlock}) {
        put(subject.queue(), kOthers, size);
      }
      RawQueue::Item item;
      for (int i = 0; i < 3; ++i) {
        check(subject.queue().get(item, 1s) == Outcome::done, "the setup failed");
      }
    };
    return operation;
  };
  subject.taken_by_setup = 3;
  expect_survival(with_dead_writer(subject.get_one()));
  expect_survival(with_dead_writer(subject.put_one()));
  expect_survival(
      with_dead_writer(subject.other("sweep of a writer", [] { memory::bury_the_dead(); })));
}

TEST(RawQueueKill, Closes) {
  Subject subject{"part full", 3, {kBlock, kInline}};
  expect_survival(subject.other("RawQueue.close", [&] { subject.queue().close(); }));
}

TEST(RawQueueKill, ShutsDownAtOnce) {
  Subject subject{"part full, at once", 3, {kBlock, kInline}};
  Operation operation = subject.other("RawQueue.shutdown", [&] { subject.queue().shutdown(true); });
  operation.verify = [&] {
    memory::bury_the_dead();
    subject.queue().shutdown(true);  // finishes what the dead began
    RawQueue::Item item;
    check(subject.queue().get(item, 1s) == Outcome::closed, "a queue that is shut gives an item");
    RawQueue::Draft draft;
    static_cast<void>(draft.begin(kInline));
    check(subject.queue().put(draft, 1s) == Outcome::closed, "a queue that is shut takes an item");
    check(subject.queue().size() == 0, "the count of items is wrong");
    check(subject.queue().join(1s), "dropped items count as unfinished");
  };
  expect_survival(operation);
}

TEST(RawQueueKill, ReportsATask) {
  Subject subject{"three got", 3, {kInline, kInline}};
  Operation operation = subject.other("RawQueue.task_done", [&] {
    subject.queue().task_done();
    subject.counts().returned.fetch_add(1);
  });
  operation.setup = [&subject, fill = operation.setup] {
    fill();
    RawQueue::Item item;
    for (int i = 0; i < 3; ++i) {
      check(subject.queue().get(item, 1s) == Outcome::done, "the setup failed");
    }
  };
  operation.verify = [&] {
    memory::bury_the_dead();
    int left = 0;
    try {
      for (; left <= 3; ++left) {
        subject.queue().task_done();
      }
    } catch (const UsageError&) {
    }
    check(left <= 3 - subject.counts().returned, "a report that returned does not count");
    check(left >= 3 - subject.counts().begun, "a report counts twice");
    check(subject.queue().join(1s), "everything was reported, and join still waits");
  };
  expect_survival(operation);
}

}  // namespace
}  // namespace mp::crash
