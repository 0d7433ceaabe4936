// SPDX-License-Identifier: Apache-2.0
#include "os/check.hpp"

#include <unistd.h>

#include "mp/errors/error.hpp"

#include "support/faults.hpp"

namespace mp::os {
namespace {

TEST(Call, IsMadeAgainWhenInterrupted) {
  test::Faults faults;
  faults.fail(Sys::read, EINTR, 3);
  int made = 0;
  const auto outcome = call(Sys::read, [&] { return ++made; });
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(outcome.value, 1);
  EXPECT_EQ(made, 1);
  EXPECT_EQ(faults.calls(Sys::read), 4);
}

TEST(Call, IsMadeAgainWhenTheKernelSaysInterrupted) {
  int made = 0;
  const auto outcome = call(Sys::read, [&] {
    errno = EINTR;
    return ++made < 3 ? -1 : made;
  });
  EXPECT_EQ(outcome.value, 3);
}

TEST(Call, ReportsTheErrorAndIsNotMadeWhenAFaultIsInjected) {
  test::Faults faults;
  faults.fail(Sys::mmap, ENOMEM);
  bool made = false;
  const auto outcome = call(Sys::mmap, [&] {
    made = true;
    return static_cast<void*>(&made);
  });
  EXPECT_EQ(outcome.error, ENOMEM);
  EXPECT_FALSE(made);
}

TEST(Call, KnowsFailureByMinusOneAndByMapFailed) {
  const auto number = call(Sys::read, [] { return ::read(-1, nullptr, 0); });
  EXPECT_EQ(number.error, EBADF);
  const auto pointer = call(Sys::mmap, [] {
    errno = ENODEV;
    return reinterpret_cast<void*>(-1);
  });
  EXPECT_EQ(pointer.error, ENODEV);
}

TEST(CallOnce, ReportsInterruption) {
  test::Faults faults;
  faults.fail(Sys::read, EINTR, 1);
  EXPECT_EQ(call_once(Sys::read, [] { return 1; }).error, EINTR);
  EXPECT_EQ(call_once(Sys::read, [] { return 1; }).error, 0);
}

TEST(CallStatus, ReturnsTheNumber) {
  EXPECT_EQ(call_status(Sys::posix_spawn, [] { return EAGAIN; }), EAGAIN);
  test::Faults faults;
  faults.fail(Sys::posix_spawn, EPERM, 1);
  EXPECT_EQ(call_status(Sys::posix_spawn, [] { return 0; }), EPERM);
  EXPECT_EQ(call_status(Sys::posix_spawn, [] { return 0; }), 0);
}

TEST(Check, ThrowsOsErrorThatNamesTheCall) {
  try {
    check(Outcome<int>{-1, EMFILE, Sys::memfd_create}, "arena");
    FAIL() << "nothing was thrown";
  } catch (const OsError& error) {
    EXPECT_EQ(error.operation(), "memfd_create");
    EXPECT_EQ(error.code(), std::errc::too_many_files_open);
    EXPECT_NE(std::string{error.what()}.find("memfd_create(arena)"), std::string::npos);
  }
  EXPECT_EQ(check(Outcome<int>{5, 0, Sys::read}), 5);
  EXPECT_THROW(check(ENOSPC, Sys::fallocate), OsError);
  EXPECT_NO_THROW(check(0, Sys::fallocate));
}

TEST(Sys, HasANameForEveryCall) {
  for (int i = 0; i != static_cast<int>(Sys::count_); ++i) {
    EXPECT_NE(std::string{name(static_cast<Sys>(i))}, "") << i;
  }
  EXPECT_STREQ(name(Sys::write), "write");  // the last: the table is not shifted
}

TEST(Probe, AsksOnceAndRemembers) {
  Probe probe;
  int asked = 0;
  const auto ask = [&] { return ++asked != 0; };
  EXPECT_TRUE(probe.known(ask));
  EXPECT_TRUE(probe.known(ask));
  EXPECT_EQ(asked, 1);
}

TEST(Probe, RemembersNothingWhileFaultsAreInjected) {
  Probe probe;
  int asked = 0;
  {
    test::Faults faults;
    EXPECT_FALSE(probe.known([&] { return ++asked == 0; }));
  }
  EXPECT_TRUE(probe.known([&] { return ++asked != 0; }));
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace mp::os
