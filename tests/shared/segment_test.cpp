// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/segment.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <mutex>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mp/errors/error.hpp"
#include "mp/shared/segment_sync.hpp"

#include "os/check.hpp"
#include "shared/travel.hpp"
#include "support/child.hpp"
#include "support/faults.hpp"
#include "support/rendezvous.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

std::string own_name(const char* what) {
  return "mp-test-segment-" + std::string{what} + "-" + std::to_string(::getpid());
}

struct Unlinked : Segment {
  using Segment::Segment;
  ~Unlinked() {
    try {
      unlink();
    } catch (const OsError&) {
    }
  }
};

TEST(Segment, HoldsNamedObjectsAndContainers) {
  const Unlinked segment{create, own_name("objects"), 1 << 20};
  auto& numbers = segment.find_or_construct<shared_vector<int>>("numbers");
  numbers.push_back(7);
  segment.find_or_construct<long>("count", 5L) += 1;
  auto& names = segment.find_or_construct<shared_map<int, shared_string>>("names");
  names.emplace(1, shared_string{"one", segment.allocator()});
  auto& scores = segment.find_or_construct<shared_unordered_map<int, double>>("scores");
  scores[3] = 2.5;
  EXPECT_EQ(test::in_child([&] {
              const Segment same{open, segment.name()};
              const std::scoped_lock hold{same};
              EXPECT_EQ(same.find<shared_vector<int>>("numbers")->back(), 7);
              EXPECT_EQ(*same.find<long>("count"), 6);
              EXPECT_EQ((same.find<shared_map<int, shared_string>>("names")->at(1)), "one");
              EXPECT_EQ((same.find<shared_unordered_map<int, double>>("scores")->at(3)), 2.5);
              same.find<shared_vector<int>>("numbers")->push_back(8);
            }),
            exited(0));
  EXPECT_EQ(numbers.back(), 8);
  EXPECT_EQ(segment.find<int>("none"), nullptr);
  EXPECT_TRUE(segment.destroy<long>("count"));
  EXPECT_FALSE(segment.destroy<long>("count"));
}

TEST(Segment, TellsOtherTypes) {
  const Unlinked segment{create, own_name("types"), 1 << 16};
  segment.find_or_construct<int>("x", 1);
  EXPECT_THROW(static_cast<void>(segment.find<double>("x")), TypeMismatch);
  EXPECT_THROW(segment.find_or_construct<long>("x", 1L), TypeMismatch);
}

TEST(Segment, IsFoundOrMadeByWhoeverComesFirst) {
  const std::string name = own_name("race");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        const Segment segment{open_or_create, name, 1 << 16};
        const std::scoped_lock hold{segment};
        segment.find_or_construct<int>("count", 0) += 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const Unlinked segment{open, name};
  EXPECT_EQ(*segment.find<int>("count"), 200);
  EXPECT_THROW((Segment{create, name, 1 << 16}), OsError);
}

TEST(Segment, IsFullWithAnException) {
  const Unlinked segment{create, own_name("full"), 1 << 16};
  auto& numbers = segment.find_or_construct<shared_vector<int>>("numbers");
  EXPECT_THROW(numbers.resize(1 << 20), OutOfMemory);
  EXPECT_THROW(numbers.reserve(SIZE_MAX / 8), std::exception);
  EXPECT_THROW((segment.find_or_construct<std::array<char, 1 << 17>>("large")), OutOfMemory);
  numbers.push_back(1);
  EXPECT_EQ(numbers.size(), 1U);
}

TEST(Segment, IsRefusedWhereThereIsSomethingElse) {
  EXPECT_THROW((Segment{open, own_name("none")}), OsError);
  EXPECT_THROW((Segment{create, "a/b", 1 << 16}), UsageError);
  EXPECT_THROW((Segment{create, own_name("small"), 100}), UsageError);
  const SharedMemory small{create, own_name("block"), 100};
  EXPECT_THROW((Segment{open, small.name()}), DecodeError);
  EXPECT_THROW((Segment{open_or_create, small.name(), 1 << 16}), DecodeError);
  small.unlink();
  const SharedMemory block{create, own_name("block"), 1 << 16};
  EXPECT_THROW((Segment{open, block.name()}), DecodeError);
  block.unlink();
}

TEST(Segment, RefusesBadNamesAndSizes) {
  for (const std::string& name :
       {std::string{}, std::string{"/a"}, std::string{".."}, std::string(255, 'x')}) {
    EXPECT_THROW((Segment{create, name, 1 << 16}), UsageError) << name;
    EXPECT_THROW((Segment{open, name}), UsageError) << name;
    EXPECT_THROW((Segment{open_or_create, name, 1 << 16}), UsageError) << name;
  }
  const int negative = -1;
  EXPECT_THROW((Segment{create, own_name("huge"), static_cast<std::size_t>(negative)}), UsageError);
  EXPECT_THROW((Segment{create, own_name("huge"), std::size_t{1} << 61}), OutOfMemory);
  EXPECT_THROW((Segment{open, own_name("huge")}), OsError);
}

TEST(Segment, IsNotMadeWhereMemoryIsFull) {
  Segment{create, own_name("warm"), 1 << 16}.unlink();  // the register exists
  for (const auto sys : {os::Sys::fallocate, os::Sys::mmap}) {
    test::Faults faults;
    faults.fail(sys, sys == os::Sys::mmap ? ENOMEM : ENOSPC);
    EXPECT_THROW((Segment{create, own_name("nowhere"), 1 << 16}), OutOfMemory);
  }
  EXPECT_THROW((Segment{open, own_name("nowhere")}), OsError);
}

TEST(Segment, TellsThatItMayNotBeOpened) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can become somebody who may not";
  }
  const Unlinked segment{create, own_name("private"), 1 << 16};
  EXPECT_EQ(test::in_child([&] {
              static_cast<void>(::seteuid(65534));
              try {
                const Segment same{open, segment.name()};
                FAIL();
              } catch (const OsError& error) {
                EXPECT_EQ(error.code(), std::errc::permission_denied);
              }
            }),
            exited(0));
}

TEST(Segment, TellsThatSomebodyMadeItShorter) {
  const Unlinked segment{create, own_name("short"), 1 << 16};
  segment.find_or_construct<int>("x", 1);
  segment.check();
  const int fd = ::shm_open(("/" + segment.name()).c_str(), O_RDWR, 0);
  ASSERT_EQ(::ftruncate(fd, 1 << 15), 0);
  EXPECT_THROW(segment.check(), SegmentBroken);
  EXPECT_THROW(segment.lock(), SegmentBroken);
  EXPECT_THROW(static_cast<void>(segment.try_lock()), SegmentBroken);
  EXPECT_THROW(static_cast<void>(segment.try_lock_for(1ms)), SegmentBroken);
  EXPECT_THROW(static_cast<void>(segment.find<int>("x")), SegmentBroken);
  EXPECT_THROW(segment.find_or_construct<int>("y", 1), SegmentBroken);
  EXPECT_THROW(segment.destroy<int>("x"), SegmentBroken);
  EXPECT_THROW(static_cast<void>(segment.free_memory()), SegmentBroken);
  EXPECT_THROW((Segment{open, segment.name()}), DecodeError) << "it is not what its head says";
  ASSERT_EQ(::ftruncate(fd, 0), 0);
  EXPECT_THROW(segment.lock(), SegmentBroken);
  EXPECT_THROW((Segment{open, segment.name()}), DecodeError);
  ::close(fd);
}

TEST(Segment, HasThePermissionsThatItIsGiven) {
  const Unlinked segment{create, own_name("mode"), 1 << 16, SharedMemoryOptions{.mode = 0400}};
  struct stat info {};
  ASSERT_EQ(::stat(("/dev/shm/" + segment.name()).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0400U);
}

TEST(Segment, IsBrokenForEverOnceSomebodyWasKilledInside) {
  const Unlinked segment{create, own_name("broken"), 1 << 16};
  segment.find_or_construct<int>("x", 1);
  test::Signal inside;
  Child victim{[&] {
    segment.lock();
    inside.raise();
    ::pause();
  }};
  inside.await();
  EXPECT_FALSE(segment.try_lock());
  std::thread waiter{[&] { EXPECT_THROW(segment.lock(), SegmentBroken); }};
  victim.kill();
  waiter.join();
  for (int i = 0; i < 2; ++i) {
    EXPECT_THROW(segment.lock(), SegmentBroken);
    EXPECT_THROW(static_cast<void>(segment.try_lock()), SegmentBroken);
    EXPECT_THROW(static_cast<void>(segment.find<int>("x")), SegmentBroken);
  }
  const Segment again{open, segment.name()};
  EXPECT_THROW(again.lock(), SegmentBroken);
}

TEST(Segment, TravelsByItsName) {
  const Unlinked segment{create, own_name("travel"), 1 << 16};
  segment.find_or_construct<int>("x", 4);
  EXPECT_EQ(*test::send<Segment>(segment).find<int>("x"), 4);
}

TEST(SegmentLock, TellsOfAHolderThatDied) {
  const Unlinked segment{create, own_name("lock"), 1 << 16};
  auto& lock = segment.find_or_construct<SegmentLock>("lock");
  EXPECT_EQ(test::in_child([&] {
              lock.lock();
              ::raise(SIGKILL);
            }),
            test::killed_by(SIGKILL));
  EXPECT_THROW(lock.lock(), OwnerDied);
  EXPECT_THROW(static_cast<void>(lock.try_lock()), OwnerDied);
  EXPECT_TRUE(lock.recover());
  lock.release();
  const std::scoped_lock hold{lock};
  EXPECT_EQ(test::in_child([&] { EXPECT_FALSE(lock.try_lock_for(1ms)); }), exited(0));
}

TEST(SegmentSemaphore, CountsBetweenProcesses) {
  const Unlinked segment{create, own_name("semaphore"), 1 << 16};
  auto& semaphore = segment.find_or_construct<SegmentSemaphore>("semaphore", 0U);
  EXPECT_FALSE(semaphore.acquire(0s));
  Child child{[&] { EXPECT_TRUE(semaphore.acquire(20s)); }};
  semaphore.release();
  EXPECT_EQ(child.wait(), exited(0));
  EXPECT_EQ(semaphore.get_value(), 0U);
  EXPECT_THROW(semaphore.release(UINT32_MAX), OverRelease);
}

TEST(SegmentEvent, WakesOtherProcesses) {
  const Unlinked segment{create, own_name("event"), 1 << 16};
  auto& event = segment.find_or_construct<SegmentEvent>("event");
  EXPECT_FALSE(event.wait(1ms));
  Child child{[&] { EXPECT_TRUE(event.wait(20s)); }};
  event.set();
  EXPECT_EQ(child.wait(), exited(0));
  event.clear();
  EXPECT_FALSE(event.is_set());
}

}  // namespace
}  // namespace mp
