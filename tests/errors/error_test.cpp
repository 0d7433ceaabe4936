// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <gtest/gtest.h>
#include <string>
#include <type_traits>

#include "mp/base/contract.hpp"
#include "mp/errors.hpp"

namespace mp {
namespace {

TEST(Error, ComparesWithStdErrc) {
  EXPECT_EQ(TimeoutError{}.code(), std::errc::timed_out);
  EXPECT_EQ(TaskTimeout{}.code(), std::errc::timed_out);
  EXPECT_EQ(TaskTimeout{}.code(), Errc::task_timeout);
  EXPECT_EQ(OwnerDied{}.code(), std::errc::owner_dead);
  EXPECT_EQ((OsError{ENOENT, "open", "/nowhere"}.code()), std::errc::no_such_file_or_directory);
}

TEST(Error, SaysOneSentence) {
  EXPECT_STREQ((OsError{ENOENT, "open", "/nowhere"}.what()),
               "open(/nowhere): No such file or directory");
  EXPECT_EQ((OsError{ENOENT, "open"}.operation()), "open");
  EXPECT_STREQ(Empty{}.what(), "the queue is empty");
  EXPECT_STREQ(Empty{"nothing came"}.what(), "nothing came");
}

TEST(Error, IsCaughtAsItsFamily) {
  EXPECT_THROW(throw EOFError{}, ClosedError);
  EXPECT_THROW(throw QueueClosed{}, ClosedError);
  EXPECT_THROW(throw TaskTimeout{}, TimeoutError);
  EXPECT_THROW(throw OwnerDied{}, SyncError);
  EXPECT_THROW((throw WorkerDied{1, -9}), ProcessError);
  EXPECT_THROW(throw OwnerDied{}, std::system_error);
  EXPECT_THROW(throw OutOfMemory{"the arena is full"}, std::bad_alloc);
  EXPECT_FALSE((std::is_base_of_v<Error, OutOfMemory>));
}

TEST(Error, CopiesWithoutThrowing) {
  EXPECT_TRUE(std::is_nothrow_copy_constructible_v<OsError>);
  EXPECT_TRUE(std::is_nothrow_copy_constructible_v<BufferTooShort>);
  EXPECT_TRUE(std::is_nothrow_copy_constructible_v<RemoteError>);
}

TEST(CodecError, KeepsTheMessage) {
  const BufferTooShort error{Bytes(12)};
  EXPECT_EQ(error.message().size(), 12u);
  EXPECT_STREQ((TypeMismatch{"int", "string"}.what()),
               "expected a message of type int but received one of string");
}

TEST(WorkerDied, DecodesTheExitCode) {
  EXPECT_EQ((WorkerDied{7, -11}.signal()), 11);
  EXPECT_EQ((WorkerDied{7, 3}.signal()), 0);
  EXPECT_STREQ((WorkerDied{7, -11}.what()), "worker 7 died, killed by signal 11");
}

TEST(RemoteError, CarriesWhereItWasThrown) {
  RemoteInfo info;
  info.type_name = "Strange";
  info.pid = 42;
  const RemoteError error{"", info};
  EXPECT_EQ(error.type_name(), "Strange");
  ASSERT_NE(remote_info(error), nullptr);
  EXPECT_EQ(remote_info(error)->pid, 42);
  EXPECT_EQ(remote_info(std::runtime_error{"local"}), nullptr);
}

TEST(Contract, ThrowsUsageErrorWhenTheCallerBreaksIt) {
  const auto call = [](int n) { MP_EXPECTS(n > 0, "n must be positive"); };
  EXPECT_NO_THROW(call(1));
  EXPECT_THROW(call(0), UsageError);
}

TEST(ContractDeathTest, AbortsWhenAnInvariantIsBroken) {
  EXPECT_DEATH(MP_ENSURES(1 + 1 == 3, "sums add up"), "broken invariant: sums add up");
}

}  // namespace
}  // namespace mp
