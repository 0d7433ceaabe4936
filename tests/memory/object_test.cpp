// SPDX-License-Identifier: Apache-2.0
#include "memory/object.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "mp/errors/error.hpp"

#include "memory/message.hpp"
#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp::memory {
namespace {

using mp::detail::ObjectRef;
using test::Child;

constexpr auto kType = static_cast<std::uint32_t>(ObjectType::test);

struct Payload {
  std::atomic<std::uint64_t> owned;  // a block that goes with the object
};

const bool registered =
    register_object_type(ObjectType::test, {.destroy = [](std::byte* object) {
                           free_block(reinterpret_cast<Payload*>(object)->owned.load());
                         }});

class ObjectTest : public testing::Test {
 protected:
  ObjectTest() : before_{heap_use().blocks} {}
  std::uint64_t blocks() { return heap_use().blocks - before_; }

  ObjectRef make() {
    ObjectRef object = make_object(ObjectType::test, sizeof(Payload));
    const Block block = allocate(64);
    auto* payload = reinterpret_cast<Payload*>(object.data());
    set_home(block.id, layout::HomeKind::cell, &payload->owned);
    payload->owned.store(block.id);
    return object;
  }

 private:
  std::uint64_t before_;
};

TEST_F(ObjectTest, LivesUntilTheLastReferenceInTheProcess) {
  ASSERT_TRUE(registered);
  ObjectRef first = make();
  EXPECT_EQ(blocks(), 2u);
  ObjectRef second = first;
  EXPECT_EQ(second, first);
  first.reset();
  EXPECT_EQ(blocks(), 2u);
  second.reset();
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(ObjectTest, LivesWhileAnotherProcessHoldsIt) {
  test::Signal adopted;
  test::Signal release;
  const ProcessId id = enter_child();
  ObjectRef object = make();
  Child child{[&] {
    become(id);
    static_cast<void>(object.data());  // first use
    adopted.raise();
    release.await();
    object.reset();
  }};
  adopted.await();
  object.reset();
  EXPECT_EQ(blocks(), 2u);
  release.raise();
  EXPECT_EQ(child.wait(), test::exited(0));
  EXPECT_EQ(blocks(), 0u);
  bury(id);
}

TEST_F(ObjectTest, IsReleasedByTheSweepOfAKilledHolder) {
  test::Signal adopted;
  const ProcessId id = enter_child();
  ObjectRef object = make();
  Child child{[&] {
    become(id);
    static_cast<void>(object.data());
    adopted.raise();
    ::pause();
  }};
  adopted.await();
  object.reset();
  EXPECT_EQ(blocks(), 2u);
  child.kill();
  bury(id);
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(ObjectTest, DoesNotCountMemoryThatWasMerelyInherited) {
  test::Signal done;
  test::Signal gone;
  const ProcessId id = enter_child();
  ObjectRef object = make();
  Child child{[&] {
    become(id);
    gone.await();
    EXPECT_THROW(static_cast<void>(object.data()), WrongProcess);
  }};
  object.reset();
  EXPECT_EQ(blocks(), 0u);
  gone.raise();
  EXPECT_EQ(child.wait(), test::exited(0));
  bury(id);
}

TEST_F(ObjectTest, HasRoomForManyHolders) {
  ObjectRef object = make();
  constexpr std::uint64_t kFirst = std::uint64_t{1} << 40;
  for (std::uint64_t i = 0; i < 500; ++i) {
    add_holder(object.id(), kFirst + i);
  }
  const BlockId id = object.id();
  object.reset();
  for (std::uint64_t i = 0; i < 500; ++i) {
    EXPECT_NE(object_type(id), ObjectType::none) << i;
    EXPECT_TRUE(is_holder(id, kFirst + i));
    remove_holder(id, kFirst + i);
  }
  EXPECT_EQ(object_type(id), ObjectType::none);
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(ObjectTest, StaysAliveInAMessage) {
  ObjectRef object = make();
  const BlockId id = object.id();
  Message message{10, {id}};
  object.reset();
  EXPECT_EQ(object_type(id), ObjectType::test);
  MessageCarrier carrier{message.id()};
  carrier.take_object(id);
  object = ObjectRef::from_id(id, kType);
  message = {};
  EXPECT_EQ(object_type(id), ObjectType::test);
  object.reset();
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(ObjectTest, IsLetGoWhenTheOwnerOfAMessageIsKilled) {
  test::Signal made;
  const ProcessId id = enter_child();
  ObjectRef object = make();
  Child child{[&] {
    become(id);
    Message message{10, {object.id()}};
    made.raise();
    ::pause();
  }};
  made.await();
  object.reset();
  EXPECT_EQ(blocks(), 3u);
  child.kill();
  bury(id);
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(ObjectTest, RefusesIdsOfOtherThings) {
  ObjectRef object = make();
  EXPECT_THROW(ObjectRef::from_id(object.id(), static_cast<std::uint32_t>(ObjectType::lock)),
               DecodeError);
  EXPECT_THROW(ObjectRef::from_id(object.id() + 12345, kType), DecodeError);
  EXPECT_THROW(ObjectRef::from_id(0, kType), DecodeError);
  Message empty{4};
  EXPECT_THROW(MessageCarrier{empty.id()}.take_object(object.id()), DecodeError);
  EXPECT_THROW(Message::adopt(object.id() + 1), DecodeError);
}

TEST_F(ObjectTest, IsCountedRightByManyThreads) {
  ObjectRef object = make();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([object] {
      for (int i = 0; i < 5000; ++i) {
        ObjectRef copy = object;
        ObjectRef again = ObjectRef::from_id(copy.id(), kType);
        EXPECT_EQ(copy, again);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(blocks(), 2u);
  object.reset();
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(ObjectTest, IsDestroyedOnceWhenManyProcessesLeaveAtTheSameTime) {
  for (int round = 0; round < 20; ++round) {
    test::Rendezvous start{4};
    ObjectRef object = make();
    std::vector<Child> children;
    for (int c = 0; c < 3; ++c) {
      children.emplace_back([&] {
        static_cast<void>(object.data());
        start.arrive_and_wait();
        object.reset();
      });
    }
    start.arrive_and_wait();
    object.reset();
    for (auto& child : children) {
      EXPECT_EQ(child.wait(), test::exited(0));
    }
    bury_the_dead();
    EXPECT_EQ(blocks(), 0u);
  }
}

}  // namespace
}  // namespace mp::memory
