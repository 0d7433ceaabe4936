// SPDX-License-Identifier: Apache-2.0
// Files in memory and their mappings.
#include "os/map.hpp"

#include <cstring>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "os/limits.hpp"
#include "os/memfd.hpp"
#include "support/child.hpp"
#include "support/faults.hpp"
#include "support/scratch_dir.hpp"

namespace mp::os {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

// A mapping that is taken back at the end of the test.
class Mapped {
 public:
  Mapped(int fd, std::size_t size) : made_{map_shared(fd, size)}, size_{size} { check(made_); }
  ~Mapped() { unmap(made_.value, size_); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  [[nodiscard]] char* at(std::size_t offset) const {
    return static_cast<char*>(made_.value) + offset;
  }

 private:
  Outcome<void*> made_;
  std::size_t size_;
};

std::uint64_t allocated(int fd) {
  struct stat status {};
  EXPECT_EQ(::fstat(fd, &status), 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

constexpr int kCannot = 77;

// Mounts a file system of 256 KiB that only this process sees. Not everybody may.
bool mount_small_tmpfs(const std::string& path) {
  const std::string user = "0 " + std::to_string(::geteuid()) + " 1";
  const std::string group = "0 " + std::to_string(::getegid()) + " 1";
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    return false;
  }
  std::ofstream{"/proc/self/uid_map"} << user;
  std::ofstream{"/proc/self/setgroups"} << "deny";
  std::ofstream{"/proc/self/gid_map"} << group;
  return ::mount("none", path.c_str(), "tmpfs", 0, "size=256k") == 0;
}

class Memory : public test::OnEveryKernel {};
MP_ON_EVERY_KERNEL(Memory);

TEST_P(Memory, IsAFileWithoutAName) {
  const Fd file = memfd_create("mp-test");
  EXPECT_EQ(file_size(file.get()), 0U);
  EXPECT_EQ(::fcntl(file.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(grow_file(file.get(), 3 * kMiB), 0);
  EXPECT_EQ(file_size(file.get()), 3 * kMiB);
  EXPECT_EQ(allocated(file.get()), 0U);
}

TEST_P(Memory, CannotBeShortenedOnceSealed) {
  const Fd file = memfd_create("mp-test");
  ASSERT_EQ(grow_file(file.get(), kMiB), 0);
  EXPECT_FALSE(is_sealed_against_shrinking(file.get()));
  seal_against_shrinking(file.get());
  EXPECT_TRUE(is_sealed_against_shrinking(file.get()));
  EXPECT_EQ(grow_file(file.get(), kMiB - 1), EPERM);
  EXPECT_EQ(grow_file(file.get(), 2 * kMiB), 0);
}

TEST_P(Memory, HasPagesOnceTheyAreCommitted) {
  const Fd file = memfd_create("mp-test");
  ASSERT_EQ(grow_file(file.get(), kMiB), 0);
  const Mapped map{file.get(), kMiB};
  // Neither end on a page's border.
  ASSERT_EQ(commit_pages(file.get(), 5000, map.at(5000), 10'000), 0);
  EXPECT_GE(allocated(file.get()), 10'000U);
  EXPECT_LE(allocated(file.get()), 5 * page_size());
  std::memset(map.at(5000), 1, 10'000);
}

TEST_P(Memory, ReadsAsZerosOnceItIsReleased) {
  const Fd file = memfd_create("mp-test");
  ASSERT_EQ(grow_file(file.get(), kMiB), 0);
  const Mapped map{file.get(), kMiB};
  std::memset(map.at(0), 7, kMiB);
  ASSERT_EQ(allocated(file.get()), kMiB);
  // Only whole pages go: the bytes around them stay.
  ASSERT_EQ(release_pages(map.at(100), kMiB - 200), 0);
  EXPECT_EQ(allocated(file.get()), 2 * page_size());
  EXPECT_EQ(*map.at(99), 7);
  EXPECT_EQ(*map.at(100), 7);
  EXPECT_EQ(*map.at(kMiB / 2), 0);
  EXPECT_EQ(*map.at(kMiB - 1), 7);
  EXPECT_EQ(release_pages(map.at(1), 100), 0);
}

TEST_P(Memory, SaysThatTheDiskIsFullInsteadOfRaisingSigbus) {
  const test::ScratchDir folder;
  const auto status = test::in_child([&] {
    if (!mount_small_tmpfs(folder.path().string())) {
      return kCannot;
    }
    const Fd file = open_file((folder / "full").c_str(), O_RDWR | O_CREAT, 0600);
    EXPECT_EQ(grow_file(file.get(), kMiB), 0);
    const Mapped map{file.get(), kMiB};
    EXPECT_EQ(commit_pages(file.get(), 0, map.at(0), kMiB), ENOSPC);
    EXPECT_EQ(commit_pages(file.get(), 0, map.at(0), 4096), 0);
    *map.at(0) = 1;
    return 0;
  });
  if (status == test::exited(kCannot)) {
    GTEST_SKIP() << "may not mount a file system";
  }
  EXPECT_EQ(status, test::exited(0));
}

TEST(Memory, SaysWhatTheKernelSays) {
  const Fd file = memfd_create("mp-test");
  ASSERT_EQ(grow_file(file.get(), kMiB), 0);
  const Mapped map{file.get(), kMiB};
  test::Faults faults;
  faults.fail(Sys::madvise_populate, ENOMEM, 1);
  EXPECT_EQ(commit_pages(file.get(), 0, map.at(0), kMiB), ENOMEM);
  faults.fail(Sys::madvise_populate, EFAULT, 1);
  faults.fail(Sys::fallocate, ENOSPC, 1);
  EXPECT_EQ(commit_pages(file.get(), 0, map.at(0), kMiB), ENOSPC);
  faults.fail(Sys::madvise_populate, EINTR, 2);
  EXPECT_EQ(commit_pages(file.get(), 0, map.at(0), kMiB), 0);
  faults.fail(Sys::ftruncate, ENOMEM, 1);
  EXPECT_EQ(grow_file(file.get(), 2 * kMiB), ENOMEM);
  faults.fail(Sys::mmap, ENOMEM, 2);
  EXPECT_EQ(map_shared(file.get(), kMiB).error, ENOMEM);
  EXPECT_EQ(reserve(kMiB).error, ENOMEM);
  faults.fail(Sys::memfd_noexec, EMFILE, 1);
  EXPECT_THROW((void)memfd_create("mp-test"), OsError);
  faults.fail(Sys::memfd_noexec, EINVAL, 1);
  faults.fail(Sys::memfd_create, ENOMEM, 1);
  EXPECT_THROW((void)memfd_create("mp-test"), OsError);
}

TEST(Memory, AnswersWithAnErrorWhereTheKernelWouldRaiseSigxfsz) {
  EXPECT_EQ(test::in_child([] {
              const Fd file = memfd_create("mp-test");
              EXPECT_EQ(grow_file(file.get(), 2 * kMiB), 0);
              set_limit(Limit::file_size, {kMiB, kMiB});
              EXPECT_EQ(grow_file(file.get(), 3 * kMiB), EFBIG);
              EXPECT_EQ(allocate_file(file.get(), 2 * kMiB, kMiB), EFBIG);
              // Inside the file as it is, pages can still be had.
              EXPECT_EQ(allocate_file(file.get(), kMiB, kMiB), 0);
            }),
            test::exited(0));
}

TEST(Memory, TakesALongSparseMapping) {
#if defined(__SANITIZE_THREAD__)
  constexpr std::size_t kLong = std::size_t{1} << 36;
#else
  constexpr std::size_t kLong = std::size_t{1} << 39;
#endif
  const Fd file = memfd_create("mp-test");
  ASSERT_EQ(grow_file(file.get(), kMiB), 0);
  const Mapped map{file.get(), kLong};
  ASSERT_EQ(grow_file(file.get(), 2 * kMiB), 0);
  *map.at(2 * kMiB - 1) = 1;  // reachable without mapping again
}

TEST(Memory, StaysOutOfChildrenThatShallNotHaveIt) {
  const Fd file = memfd_create("mp-test");
  ASSERT_EQ(grow_file(file.get(), kMiB), 0);
  const Mapped map{file.get(), kMiB};
  EXPECT_EQ(dont_dump(map.at(0), kMiB), 0);
  const auto peek = [&] {
    ::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would report it
    return static_cast<int>(*const_cast<volatile char*>(map.at(0)));
  };
  ASSERT_EQ(dont_fork(map.at(0), kMiB), 0);
  EXPECT_EQ(test::in_child(peek), test::killed_by(SIGSEGV));
  ASSERT_EQ(dont_fork(map.at(0), kMiB, false), 0);
  EXPECT_EQ(test::in_child(peek), test::exited(0));
}

}  // namespace
}  // namespace mp::os
