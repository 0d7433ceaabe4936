// SPDX-License-Identifier: Apache-2.0
#include "os/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "support/faults.hpp"

namespace mp::os {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

Fd open_null() {
  return open_file("/dev/null", O_RDWR);
}

TEST(Fd, ClosesWhatItOwns) {
  int number = -1;
  {
    const Fd fd = open_null();
    number = fd.get();
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, MovesWithoutClosing) {
  Fd first = open_null();
  const int number = first.get();
  Fd second{std::move(first)};
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what a moved-from Fd is
  EXPECT_EQ(second.get(), number);
  Fd third = open_null();
  const int replaced = third.get();
  third = std::move(second);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_EQ(third.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(Fd, GivesUpWhatItReleases) {
  Fd fd = open_null();
  const int number = fd.release();
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(number));
  fd.reset(number);
  EXPECT_EQ(fd.get(), number);
  fd.reset(number);  // the same one is not closed
  EXPECT_TRUE(is_open(number));
}

TEST(Fd, IsCloseOnExecFromBirth) {
  const Fd fd = open_null();
  EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  const Fd twin = fd.duplicate(50);
  EXPECT_GE(twin.get(), 50);
  EXPECT_EQ(::fcntl(twin.get(), F_GETFD), FD_CLOEXEC);
  set_close_on_exec(twin.get(), false);
  EXPECT_EQ(::fcntl(twin.get(), F_GETFD), 0);
}

TEST(Fd, ReportsThatThereAreNoDescriptorsLeft) {
  const Fd fd = open_null();
  test::Faults faults;
  faults.fail(Sys::dup, EMFILE, 1);
  EXPECT_THROW((void)fd.duplicate(), OsError);
  faults.fail(Sys::open, EMFILE, 1);
  EXPECT_THROW((void)open_null(), OsError);
  faults.fail(Sys::open, EINTR, 2);
  EXPECT_TRUE(open_null());
}

}  // namespace
}  // namespace mp::os
