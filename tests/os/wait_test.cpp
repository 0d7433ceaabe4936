// SPDX-License-Identifier: Apache-2.0
// Processes from outside: pidfds, signals to them, and waiting for their end.
#include "os/wait.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "os/clock.hpp"
#include "os/pidfd.hpp"
#include "os/proc.hpp"
#include "support/child.hpp"
#include "support/faults.hpp"

namespace mp::os {
namespace {

using namespace std::chrono_literals;
using State = Exit::State;

// A child that this test's own code is to wait for.
template <class Body>
int fork_child(const Body& body) {
  const int made = ::fork();
  if (made == 0) {
    body();
    ::_exit(99);
  }
  return made;
}

class Waiting : public test::OnEveryKernel {};
MP_ON_EVERY_KERNEL(Waiting);

TEST_P(Waiting, TellsHowAChildEnded) {
  for (const Deadline until : {Deadline::never(), Deadline{20s}}) {
    const int seven = fork_child([] { ::_exit(7); });
    const Fd descriptor = pidfd_open(seven);
    EXPECT_EQ(static_cast<bool>(descriptor), has_newer_calls());
    EXPECT_EQ(wait_child(seven, descriptor.get(), until), (Exit{State::exited, 7}));

    const int killed = fork_child([] { ::raise(SIGKILL); });
    const Fd other = pidfd_open(killed);
    EXPECT_EQ(wait_child(killed, other.get(), until), (Exit{State::exited, -SIGKILL}));
  }
}

TEST_P(Waiting, AsksWithoutWaitingAndWithinALimit) {
  const int child = fork_child([] { ::pause(); });
  const Fd descriptor = pidfd_open(child);
  EXPECT_EQ(wait_child(child, descriptor.get(), Deadline::now()), (Exit{State::running}));
  const std::int64_t begin = monotonic_ns();
  EXPECT_EQ(wait_child(child, descriptor.get(), Deadline{25ms}), (Exit{State::running}));
  EXPECT_GE(monotonic_ns() - begin, 25'000'000);
  EXPECT_EQ(send_signal(descriptor.get(), child, start_time(child), SIGTERM), 0);
  EXPECT_EQ(wait_child(child, descriptor.get(), Deadline::never()),
            (Exit{State::exited, -SIGTERM}));
}

TEST_P(Waiting, SaysWhenSomebodyElseTookTheStatus) {
  const int child = fork_child([] { ::_exit(5); });
  const Fd descriptor = pidfd_open(child);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const Exit exit = wait_child(child, descriptor.get(), Deadline::never());
  // A kernel that keeps the status gives it all the same.
  EXPECT_TRUE(exit == (Exit{State::unknown}) || exit == (Exit{State::exited, 5}));
  if (!has_newer_calls()) {
    EXPECT_EQ(exit, (Exit{State::unknown}));
  }
}

TEST_P(Waiting, IsNotDisturbedBySignals) {
  const int child = fork_child([] { ::_exit(3); });
  const Fd descriptor = pidfd_open(child);
  faults.fail(Sys::waitid_pid, EINTR, 2);
  faults.fail(Sys::poll, EINTR, 2);
  EXPECT_EQ(wait_child(child, descriptor.get(), Deadline{20s}), (Exit{State::exited, 3}));
}

TEST_P(Waiting, SignalsOnlyTheProcessThatIsMeant) {
  const int child = fork_child([] { ::pause(); });
  const Fd descriptor = pidfd_open(child);
  const std::uint64_t started = start_time(child);
  EXPECT_EQ(send_signal(descriptor.get(), child, started, 0), 0);
  EXPECT_EQ(send_signal(-1, child, started + 1, SIGKILL), ESRCH) << "a reused pid";
  EXPECT_EQ(wait_child(child, descriptor.get(), Deadline::now()), (Exit{State::running}));
  EXPECT_EQ(send_signal(descriptor.get(), child, started, SIGKILL), 0);
  (void)wait_child(child, descriptor.get(), Deadline::never());
  EXPECT_EQ(send_signal(descriptor.get(), child, started, SIGKILL), ESRCH);
  EXPECT_EQ(send_signal(-1, child, started, SIGKILL), ESRCH);
  EXPECT_EQ(send_signal(-1, 0, 0, 0), ESRCH) << "never a group";
  EXPECT_EQ(send_signal(-1, -1, 0, 0), ESRCH) << "never everybody";
}

TEST_P(Waiting, KnowsWhetherThereArePidfds) {
  EXPECT_EQ(have_pidfd(), has_newer_calls());
}

TEST(Pidfd, ReportsThatThereIsNoSuchProcessOrNoRoom) {
  test::Child child{[] {}};
  child.wait();
  EXPECT_THROW((void)pidfd_open(child.pid()), OsError);
  test::Faults faults;
  faults.fail(Sys::pidfd_open, EMFILE, 1);
  EXPECT_THROW((void)pidfd_open(pid()), OsError);
}

TEST(Pidfd, KeepsTheStatusOfAStrangerWhereTheKernelDoes) {
  const int child = fork_child([] { ::_exit(11); });
  const int victim = fork_child([] { ::raise(SIGTERM); });
  const Fd first = pidfd_open(child);
  const Fd second = pidfd_open(victim);
  if (!first) {
    (void)wait_child(child, -1, Deadline::never());
    (void)wait_child(victim, -1, Deadline::never());
    GTEST_SKIP() << "no pidfds";
  }
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(exit_info(first.get()), std::nullopt) << "not reaped yet";
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ASSERT_EQ(::waitpid(victim, nullptr, 0), victim);
  const auto kept = exit_info(first.get());
  if (!kept) {
    GTEST_SKIP() << "PIDFD_GET_INFO does not tell here";
  }
  EXPECT_EQ(kept, 11);
  EXPECT_EQ(exit_info(second.get()), -SIGTERM);
  // Also in a process whose child it never was.
  EXPECT_EQ(test::in_child([&] { EXPECT_EQ(exit_info(first.get()), 11); }), test::exited(0));
}

}  // namespace
}  // namespace mp::os
