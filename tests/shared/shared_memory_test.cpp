// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/shared_memory.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <gmock/gmock.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "memory/names.hpp"
#include "os/check.hpp"
#include "shared/travel.hpp"
#include "support/child.hpp"
#include "support/faults.hpp"

namespace mp {
namespace {

using test::exited;

bool exists(const std::string& name) {
  return ::access(("/dev/shm/" + name).c_str(), F_OK) == 0;
}

std::string own_name(const char* what) {
  return "mp-test-" + std::string{what} + "-" + std::to_string(::getpid());
}

// A block whose name goes with the test.
struct Unlinked : SharedMemory {
  using SharedMemory::SharedMemory;
  ~Unlinked() {
    try {
      unlink();
    } catch (const OsError&) {
    }
  }
};

TEST(SharedMemory, IsZeroesUnderANameLikePythons) {
  const Unlinked block{create, 10000};
  EXPECT_THAT(block.name(), testing::MatchesRegex("psm_[0-9a-f]{8}"));
  EXPECT_EQ(block.size(), 10000U);
  EXPECT_EQ(block.buf().size(), 10000U);
  EXPECT_TRUE(std::ranges::all_of(block.buf(), [](std::byte b) { return b == std::byte{0}; }));
  struct stat info {};
  ASSERT_EQ(::stat(("/dev/shm/" + block.name()).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  EXPECT_EQ(info.st_size, 10000);
}

TEST(SharedMemory, IsOneForAllWhoKnowItsName) {
  const Unlinked block{create, own_name("one"), 100};
  block.buf()[3] = std::byte{9};
  EXPECT_EQ(test::in_child([&] {
              const SharedMemory same{open, block.name()};
              EXPECT_EQ(same.size(), 100U);
              EXPECT_EQ(same.buf()[3], std::byte{9});
              same.buf()[4] = std::byte{10};
            }),
            exited(0));
  EXPECT_EQ(block.buf()[4], std::byte{10});
  EXPECT_TRUE(exists(block.name())) << "who attaches does not remove";
}

TEST(SharedMemory, IsMadeOnlyWhereThereIsNone) {
  const Unlinked block{create, own_name("twice"), 100};
  block.buf()[0] = std::byte{1};
  try {
    const SharedMemory again{create, block.name(), 50};
    FAIL();
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), std::errc::file_exists);
  }
  EXPECT_EQ(block.buf()[0], std::byte{1});
  EXPECT_TRUE(exists(block.name()));
}

TEST(SharedMemory, TellsWhatIsNotThere) {
  try {
    const SharedMemory none{open, own_name("none")};
    FAIL();
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
  }
}

TEST(SharedMemory, KeepsItsNameWhenUnlinkedTwiceOrReplaced) {
  const SharedMemory block{create, own_name("replaced"), 100};
  block.unlink();
  EXPECT_THROW(block.unlink(), OsError);
  const Unlinked other{create, block.name(), 10};
  EXPECT_THROW(block.unlink(), OsError) << "it is another's block by now";
  EXPECT_TRUE(exists(other.name()));
}

TEST(SharedMemory, LivesInItsViews) {
  std::shared_ptr<std::byte[]> view;  // NOLINT(modernize-avoid-c-arrays)
  {
    SharedMemory block{create, 4096};
    view = block.view();
    view[0] = std::byte{5};
    block.unlink();
    block.close();
    block.close();
    EXPECT_THROW(static_cast<void>(block.buf()), ClosedError);
    EXPECT_EQ(block.size(), 4096U);
    EXPECT_FALSE(block.name().empty());
  }
  EXPECT_EQ(view[0], std::byte{5});
}

TEST(SharedMemory, TravelsByItsName) {
  const Unlinked block{create, 64};
  const SharedMemory there = test::send<SharedMemory>(block);
  there.buf()[1] = std::byte{7};
  EXPECT_EQ(block.buf()[1], std::byte{7});
}

TEST(SharedMemory, RefusesBadNamesAndSizes) {
  for (const std::string& name :
       {std::string{}, std::string{"/slash"}, std::string{"a/b"}, std::string{"nul\0in", 6},
        std::string{"."}, std::string{".."}, std::string(255, 'x')}) {
    EXPECT_THROW((SharedMemory{create, name, 10}), UsageError) << name;
    EXPECT_THROW((SharedMemory{open, name}), UsageError) << name;
  }
  EXPECT_THROW((SharedMemory{create, 0}), UsageError);
  const int negative = -1;
  EXPECT_THROW((SharedMemory{create, static_cast<std::size_t>(negative)}), UsageError);
  EXPECT_THROW((SharedMemory{create, own_name("huge"), std::size_t{1} << 61}), OutOfMemory);
  EXPECT_FALSE(exists(own_name("huge")));
  const Unlinked longest{create, "mp-test-" + std::string(246, 'x'), 10};
  EXPECT_TRUE(exists(longest.name()));
}

TEST(SharedMemory, IsAnErrorAndLeavesNothingWhereItCannotBeMade) {
  const SharedMemory warm{create, 16};  // the register exists
  warm.unlink();
  test::Faults faults;
  faults.fail(os::Sys::ftruncate, EFBIG);
  EXPECT_THROW((SharedMemory{create, own_name("full"), 100}), OutOfMemory);
  EXPECT_FALSE(exists(own_name("full")));
}

TEST(SharedMemory, IsAnExceptionWhereMemoryIsFull) {
  for (const auto sys : {os::Sys::fallocate, os::Sys::mmap}) {
    const Unlinked block{create, 100'000};
    {
      test::Faults faults;
      faults.fail(sys, sys == os::Sys::mmap ? ENOMEM : ENOSPC);
      EXPECT_THROW(static_cast<void>(block.buf()), OutOfMemory);
      EXPECT_THROW(static_cast<void>(block.view()), OutOfMemory);
      faults.fail(os::Sys::pwrite, ENOSPC);
      EXPECT_THROW(block.write(5000, std::array{std::byte{1}}), OutOfMemory);
    }
    block.buf().back() = std::byte{1};  // there is some again
  }
}

TEST(SharedMemory, HasMemoryForAllThatIsInItsView) {
  const auto memory_of = [](const SharedMemory& block) {
    struct stat info {};
    EXPECT_EQ(::stat(("/dev/shm/" + block.name()).c_str(), &info), 0);
    return info.st_blocks * 512;
  };
  const Unlinked block{create, 100'000};
  EXPECT_EQ(memory_of(block), 0);
  static_cast<void>(block.buf());
  EXPECT_GE(memory_of(block), 100'000);
  // As Python makes it: without memory, but for a page that somebody wrote.
  const std::string name = own_name("sparse");
  const int fd = ::shm_open(("/" + name).c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  ASSERT_EQ(::ftruncate(fd, 100'000), 0);
  ASSERT_EQ(::pwrite(fd, "x", 1, 5000), 1);
  const Unlinked other{open, name};
  EXPECT_LT(memory_of(other), 100'000);
  EXPECT_EQ(other.buf()[5000], std::byte{'x'});
  EXPECT_GE(memory_of(other), 100'000);
  // One that somebody made shorter does not become longer again.
  const SharedMemory third{open, name};
  ASSERT_EQ(::ftruncate(fd, 10), 0);
  static_cast<void>(third.buf());
  EXPECT_THROW(third.check(), SegmentBroken);
  ::close(fd);
}

TEST(SharedMemory, HasItsMemoryWithoutFallocateToo) {
  const SharedMemory warm{create, 16};
  warm.unlink();
  test::Faults faults;
  faults.fail(os::Sys::fallocate, EOPNOTSUPP);
  const Unlinked block{create, 100'000};
  EXPECT_EQ(block.size(), 100'000U);
  block.buf().back() = std::byte{1};
}

TEST(SharedMemory, IsMappedOnceByManyThreads) {
  for (int round = 0; round < 50; ++round) {
    const Unlinked block{create, 8192};
    std::array<std::byte*, 4> seen{};
    std::vector<std::thread> threads;
    for (std::byte*& each : seen) {
      threads.emplace_back([&] { each = block.buf().data(); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_EQ(std::ranges::count(seen, seen[0]), 4);
  }
}

TEST(SharedMemory, TellsThatItMayNotBeOpened) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can become somebody who may not";
  }
  const Unlinked block{create, own_name("private"), 100};
  EXPECT_EQ(test::in_child([&] {
              static_cast<void>(::seteuid(65534));
              try {
                const SharedMemory same{open, block.name()};
                FAIL();
              } catch (const OsError& error) {
                EXPECT_EQ(error.code(), std::errc::permission_denied);
              }
            }),
            exited(0));
  test::Faults faults;
  faults.fail(os::Sys::open, EACCES);
  EXPECT_THROW((SharedMemory{create, own_name("forbidden"), 100}), OsError);
}

TEST(SharedMemory, TellsThatSomebodyMadeItShorter) {
  const Unlinked block{create, 3 * 4096};
  block.check();
  const int fd = ::shm_open(("/" + block.name()).c_str(), O_RDWR, 0);
  ASSERT_EQ(::ftruncate(fd, 4096), 0);
  std::array<std::byte, 16> bytes{};
  block.read(0, bytes);
  EXPECT_THROW(block.read(2 * 4096, bytes), SegmentBroken);
  EXPECT_THROW(block.read(4090, bytes), SegmentBroken);
  EXPECT_THROW(block.write(2 * 4096, bytes), SegmentBroken);
  EXPECT_THROW(block.check(), SegmentBroken);
  struct stat info {};
  ::fstat(fd, &info);
  EXPECT_EQ(info.st_size, 4096) << "and no write made it longer again";
  ASSERT_EQ(::ftruncate(fd, 0), 0);
  EXPECT_THROW((SharedMemory{open, block.name()}), SegmentBroken);
  ::close(fd);
}

TEST(SharedMemory, ReadsAndWritesInsideAlone) {
  const Unlinked block{create, 100};
  std::array<std::byte, 16> bytes{};
  bytes.fill(std::byte{3});
  block.write(84, bytes);
  EXPECT_EQ(block.buf()[99], std::byte{3});
  EXPECT_THROW(block.write(85, bytes), std::out_of_range);
  EXPECT_THROW(block.read(SIZE_MAX, bytes), std::out_of_range);
}

TEST(SharedMemory, IsRegisteredOnceAndForgotten) {
  // More names than the register has room for, one after the other, some removed by strangers.
  for (int i = 0; i < 5000; ++i) {
    const SharedMemory block{create, 1};
    if (i % 2 == 0) {
      block.unlink();
    } else {
      ASSERT_EQ(::shm_unlink(("/" + block.name()).c_str()), 0);
    }
  }
}

TEST(SharedMemory, IsMadeByManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 100; ++round) {
        const SharedMemory block{create, 100};
        block.buf()[0] = std::byte{1};
        block.unlink();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace mp
