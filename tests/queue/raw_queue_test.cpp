// SPDX-License-Identifier: Apache-2.0
#include "mp/queue/raw_queue.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <set>
#include <thread>

#include "mp/errors/error.hpp"

#include "memory/allocator.hpp"
#include "memory/object.hpp"
#include "memory/threads.hpp"
#include "os/check.hpp"
#include "queue/ring.hpp"

namespace mp {
namespace {

using Outcome = RawQueue::Outcome;

void put_number(RawQueue& queue, std::uint64_t number, std::size_t size = sizeof number) {
  RawQueue::Draft draft;
  const MutableByteView room = draft.begin(size);
  std::memset(room.data(), 0, size);
  std::memcpy(room.data(), &number, sizeof number);
  ASSERT_EQ(queue.put(draft, Deadline::now()), Outcome::done);
}

std::uint64_t get_number(RawQueue& queue) {
  RawQueue::Item item;
  EXPECT_EQ(queue.get(item, Deadline::now()), Outcome::done);
  std::uint64_t number = ~std::uint64_t{0};
  std::memcpy(&number, item.bytes().data(), std::min(sizeof number, item.bytes().size()));
  return number;
}

queue::View view_of(const detail::ObjectRef& object) {
  return {reinterpret_cast<layout::QueueHead*>(object.data()), 0};
}
queue::View view_of(const RawQueue& queue) {
  const auto ref =
      detail::ObjectRef::from_id(queue.id(), static_cast<std::uint32_t>(memory::ObjectType::queue));
  return view_of(ref);
}

TEST(RawQueue, MovesItemsOfEverySize) {
  RawQueue queue;
  for (const std::size_t size : {0u, 1u, 103u, 104u, 105u, 4096u, 1u << 20}) {
    RawQueue::Draft draft;
    const MutableByteView room = draft.begin(size);
    ASSERT_EQ(room.size(), size);
    for (std::size_t i = 0; i < size; ++i) {
      room[i] = static_cast<std::byte>(i * 7);
    }
    ASSERT_EQ(queue.put(draft, Deadline::now()), Outcome::done);
    RawQueue::Item item;
    ASSERT_EQ(queue.get(item, Deadline::now()), Outcome::done);
    ASSERT_EQ(item.bytes().size(), size);
    for (std::size_t i = 0; i < size; ++i) {
      ASSERT_EQ(item.bytes()[i], static_cast<std::byte>(i * 7));
    }
  }
}

TEST(RawQueue, GivesItsMemoryBackWhenItIsDrained) {
  RawQueue queue;
  put_number(queue, 0);
  get_number(queue);
  const memory::HeapUse before = memory::heap_use();
  constexpr std::uint64_t kItems = 1'000'000;
  for (std::uint64_t i = 0; i < kItems; ++i) {
    put_number(queue, i);
  }
  EXPECT_EQ(queue.size(), kItems);
  const memory::HeapUse full = memory::heap_use();
  EXPECT_GT(full.bytes, before.bytes + kItems * 64);
  EXPECT_LT(full.bytes, before.bytes + kItems * 160);
  for (std::uint64_t i = 0; i < kItems; ++i) {
    ASSERT_EQ(get_number(queue), i);
  }
  RawQueue::Item item;
  EXPECT_EQ(queue.get(item, Deadline::now()), Outcome::timed_out);
  const memory::HeapUse after = memory::heap_use();
  EXPECT_LE(after.blocks, before.blocks + 4);  // pages of the directory stay with the queue
  EXPECT_LE(after.bytes, before.bytes + 4 * memory::kSlotBlock);
}

TEST(RawQueue, FreesWhatIsInsideWithItself) {
  {
    const RawQueue first;  // whatever a first queue makes for good
  }
  const memory::HeapUse before = memory::heap_use();
  {
    RawQueue queue;
    for (std::uint64_t i = 0; i < 2000; ++i) {
      put_number(queue, i, 300);
    }
    const RawQueue inner;
    RawQueue::Draft draft;
    draft.put_object(inner.id());
    static_cast<void>(draft.begin(8));
    EXPECT_FALSE(draft.must_restart());
    ASSERT_EQ(queue.put(draft, Deadline::now()), Outcome::done);
  }
  const memory::HeapUse after = memory::heap_use();
  EXPECT_EQ(after.blocks, before.blocks);
}

TEST(RawQueue, CyclesThroughItsDirectory) {
  // Positions near the end of a lap of the directory: the cells are used a second time.
  RawQueue queue;
  const queue::View view = view_of(queue);
  const std::uint64_t last = layout::kDirectoryCells - 1;
  view.head->retired.store(last);
  view.head->head.store(last * layout::kSegmentSlots);
  view.head->front.store(last * layout::kSegmentSlots);
  view.head->tail.store(last * layout::kSegmentSlots);
  view.head->ragged.store(0);
  for (std::uint64_t i = 0; i < layout::kSegmentSlots; ++i) {
    put_number(queue, i);
  }
  for (std::uint64_t i = 0; i < layout::kSegmentSlots; ++i) {
    ASSERT_EQ(get_number(queue), i);
  }
  EXPECT_EQ(view.head->retired.load(), layout::kDirectoryCells);
  EXPECT_EQ(queue.size(), 0u);
}

TEST(RawQueue, RefusesMoreThanItsDirectoryHolds) {
  RawQueue queue;
  const queue::View view = view_of(queue);
  put_number(queue, 1);
  view.head->tail.store(layout::kDirectoryCells * layout::kSegmentSlots);
  RawQueue::Draft draft;
  static_cast<void>(draft.begin(8));
  EXPECT_THROW(queue.put(draft, Deadline::now()), OutOfMemory);
  view.head->tail.store(1);
  put_number(queue, 2);
  EXPECT_EQ(get_number(queue), 1u);
  EXPECT_EQ(get_number(queue), 2u);
}

int fail_memory(os::Sys sys) noexcept {
  return sys == os::Sys::fallocate || sys == os::Sys::madvise_populate || sys == os::Sys::ftruncate
             ? ENOMEM
             : 0;
}

TEST(RawQueue, SurvivesAFullArena) {
  RawQueue queue;
  std::uint64_t put = 0;
  os::set_fault_hook(fail_memory);
  try {
    for (;;) {
      RawQueue::Draft draft;
      std::memcpy(draft.begin(sizeof put).data(), &put, sizeof put);
      if (queue.put(draft, Deadline::now()) != Outcome::done) {
        break;
      }
      ++put;
    }
    ADD_FAILURE();
  } catch (const OutOfMemory&) {
  }
  EXPECT_EQ(queue.size(), put);
  os::set_fault_hook(nullptr);
  put_number(queue, put);
  for (std::uint64_t i = 0; i <= put; ++i) {
    ASSERT_EQ(get_number(queue), i);
  }
}

// What a thread leaves that is killed between claim and commit is made here by a thread that ends
// there: its lease is gone all the same.
template <class Body>
void in_a_thread_that_ends(Body body) {
  std::thread{[&] { body(memory::this_thread()); }}.join();
}

TEST(RawQueue, PassesOverTheSlotOfADeadWriter) {
  RawQueue queue{3};
  const queue::View view = view_of(queue);
  put_number(queue, 1);
  in_a_thread_that_ends([&](memory::ThreadTag me) {
    queue::Claim claim;
    ASSERT_EQ(queue::claim_to_write(view, me, claim), queue::Room::claimed);
  });
  put_number(queue, 2);
  EXPECT_EQ(get_number(queue), 1u);
  EXPECT_EQ(get_number(queue), 2u);
  RawQueue::Item item;
  EXPECT_EQ(queue.get(item, Deadline::now()), Outcome::timed_out);
  EXPECT_EQ(queue.size(), 0u);
  for (std::uint64_t i = 0; i < 3; ++i) {
    put_number(queue, i);
  }
  EXPECT_TRUE(queue.full());
}

TEST(RawQueue, DeliversTheItemOfADeadReaderAgain) {
  RawQueue queue;
  const queue::View view = view_of(queue);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    put_number(queue, i, 200);
  }
  in_a_thread_that_ends([&](memory::ThreadTag me) {
    queue::Claim claim;
    memory::ThreadTag busy = 0;
    ASSERT_EQ(queue::claim_to_read(view, me, claim, true, busy), queue::Found::claimed);
  });
  EXPECT_EQ(queue.size(), 3u);
  std::set<std::uint64_t> got;
  for (int i = 0; i < 3; ++i) {
    got.insert(get_number(queue));
  }
  EXPECT_EQ(got, (std::set<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(queue.size(), 0u);
}

TEST(RawQueue, CountsExactlyWhatTheDeadLeft) {
  RawQueue queue;
  const queue::View view = view_of(queue);
  for (std::uint64_t i = 0; i < 10; ++i) {
    put_number(queue, i);
    in_a_thread_that_ends([&](memory::ThreadTag me) {
      queue::Claim claim;
      ASSERT_EQ(queue::claim_to_write(view, me, claim), queue::Room::claimed);
    });
  }
  std::uint64_t finished = 0;
  for (int i = 0; i < 4; ++i) {
    in_a_thread_that_ends([&](memory::ThreadTag me) {
      queue::Claim claim;
      memory::ThreadTag busy = 0;
      ASSERT_EQ(queue::claim_to_read(view, me, claim, false, busy), queue::Found::claimed);
    });
    get_number(queue);
    queue.task_done();
    ++finished;
    queue::repair_after_death(view);
  }
  while (queue.size() != 0) {
    get_number(queue);
    queue.task_done();
    ++finished;
  }
  EXPECT_EQ(finished, 10u);
  EXPECT_TRUE(queue.join(Deadline::now()));
  EXPECT_THROW(queue.task_done(), UsageError);
}

TEST(RawQueue, GoesOnWhileAWriterIsStopped) {
  RawQueue queue;
  const queue::View view = view_of(queue);
  queue::Claim stopped;
  ASSERT_EQ(queue::claim_to_write(view, memory::this_thread(), stopped), queue::Room::claimed);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    put_number(queue, i);
  }
  std::thread{[&] {
    for (std::uint64_t i = 0; i < 2000; ++i) {
      ASSERT_EQ(get_number(queue), i);
    }
  }}.join();
  stopped.place.slot->size = 8;
  std::memset(stopped.place.slot->bytes, 0, 8);
  queue::commit_write(view, stopped);
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(get_number(queue), 0u);
  EXPECT_EQ(queue.size(), 0u);
}

TEST(RawQueue, GoesOnWhileAReaderIsStopped) {
  RawQueue queue{4};
  const queue::View view = view_of(queue);
  put_number(queue, 77);
  queue::Claim stopped;
  memory::ThreadTag busy = 0;
  ASSERT_EQ(queue::claim_to_read(view, memory::this_thread(), stopped, false, busy),
            queue::Found::claimed);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    put_number(queue, i);
    ASSERT_EQ(get_number(queue), i);
  }
  queue::commit_read(view, stopped);
  EXPECT_EQ(queue.size(), 0u);
}

}  // namespace
}  // namespace mp
