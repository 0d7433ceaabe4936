// SPDX-License-Identifier: Apache-2.0
// Starting processes: spawn, clone, and the hooks around a fork.
#include <array>
#include <gmock/gmock.h>
#include <string>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "os/clone.hpp"
#include "os/fork_hook.hpp"
#include "os/proc.hpp"
#include "os/robust.hpp"
#include "os/spawn.hpp"
#include "os/wait.hpp"
#include "support/child.hpp"
#include "support/faults.hpp"
#include "support/shared.hpp"

namespace mp::os {
namespace {

using testing::HasSubstr;
using State = Exit::State;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  // Everything until the last writer is gone.
  std::string drain() {
    in.reset();
    std::string text;
    std::array<char, 512> part{};
    for (ssize_t got = 0; (got = ::read(out.get(), part.data(), part.size())) > 0;) {
      text.append(part.data(), static_cast<std::size_t>(got));
    }
    return text;
  }
  Fd out;
  Fd in;
};

SpawnOptions shell(const std::string& script) {
  return {.path = "/bin/sh", .arguments = {"sh", "-c", script}};
}

Exit end_of(const Child& child) {
  return wait_child(child.pid, child.pidfd.get(), Deadline::never());
}

class Spawn : public test::OnEveryKernel {};
MP_ON_EVERY_KERNEL(Spawn);

TEST_P(Spawn, StartsAProgram) {
  const Child child = spawn(shell("exit 7"));
  EXPECT_EQ(static_cast<bool>(child.pidfd), has_newer_calls());
  EXPECT_EQ(end_of(child), (Exit{State::exited, 7}));
}

TEST(Spawn, PassesArgumentsAndEnvironment) {
  Pipe pipe;
  SpawnOptions options = shell("echo \"$0 $1 $MP_TEST ${HOME-none}\"");
  options.arguments.insert(options.arguments.end(), {"zero", "one two"});
  options.environment = {"MP_TEST=there"};
  options.fds = {{pipe.in.get(), 1}};
  EXPECT_EQ(end_of(spawn(options)), (Exit{State::exited, 0}));
  EXPECT_EQ(pipe.drain(), "zero one two there none\n");
}

TEST(Spawn, InheritsTheEnvironmentIfNoneIsGiven) {
  EXPECT_EQ(test::in_child([] {
              ::setenv("MP_TEST", "5", 1);
              EXPECT_EQ(end_of(spawn(shell("exit $MP_TEST"))), (Exit{State::exited, 5}));
            }),
            test::exited(0));
}

TEST(Spawn, PutsDescriptorsWhereTheyAreWantedEvenCrosswise) {
  Pipe left;
  Pipe right;
  // The child's numbers are those of this process, exchanged; and one goes to two places.
  SpawnOptions options =
      shell("echo left >&" + std::to_string(right.in.get()) + "; echo right >&" +
            std::to_string(left.in.get()) + "; echo twice >&" + std::to_string(left.in.get() + 40));
  options.fds = {{left.in.get(), right.in.get()},
                 {right.in.get(), left.in.get()},
                 {right.in.get(), left.in.get() + 40}};
  // dash redirects only to numbers of one digit.
  options.path = "/bin/bash";
  EXPECT_EQ(end_of(spawn(options)), (Exit{State::exited, 0}));
  EXPECT_EQ(left.drain(), "left\n");
  EXPECT_EQ(right.drain(), "right\ntwice\n");
}

TEST(Spawn, KeepsANumberThatStaysTheSame) {
  Pipe pipe;
  SpawnOptions options = shell("echo here >&" + std::to_string(pipe.in.get()));
  options.path = "/bin/bash";
  options.fds = {{pipe.in.get(), pipe.in.get()}};
  EXPECT_EQ(end_of(spawn(options)), (Exit{State::exited, 0}));
  EXPECT_EQ(pipe.drain(), "here\n");
}

TEST(Spawn, ClosesEveryOtherDescriptor) {
  Pipe pipe;
  const Fd low = open_file("/dev/null", O_RDONLY);
  const Fd high = low.duplicate(100);
  set_close_on_exec(low.get(), false);
  set_close_on_exec(high.get(), false);
  SpawnOptions options = shell("for fd in /proc/$$/fd/*; do echo -n ${fd##*/}.; done >&1");
  options.fds = {{pipe.in.get(), 1}, {pipe.in.get(), 60}};
  EXPECT_EQ(end_of(spawn(options)), (Exit{State::exited, 0}));
  // The shell may hold a descriptor of its own for the redirection, from 10 on.
  const std::string open = "." + pipe.drain();
  EXPECT_THAT(open, HasSubstr(".60."));
  EXPECT_THAT(open, testing::Not(HasSubstr("." + std::to_string(low.get()) + ".")));
  EXPECT_THAT(open, testing::Not(HasSubstr("." + std::to_string(high.get()) + ".")));
}

TEST(Spawn, SetsTheMaskAndTheDefaults) {
  const auto run = [&](std::optional<SignalSet> mask, SignalSet defaults) {
    Pipe fresh;
    SpawnOptions options{.path = "/bin/grep",
                         .arguments = {"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}};
    options.fds = {{fresh.in.get(), 1}};
    options.mask = mask;
    options.defaults = defaults;
    EXPECT_EQ(end_of(spawn(options)), (Exit{State::exited, 0}));
    return fresh.drain();
  };
  EXPECT_EQ(test::in_child([&] {
              ignore_signal(SIGUSR2);
              const SignalBlock blocked{signal_bit(SIGUSR1)};
              EXPECT_THAT(run({}, 0), HasSubstr("SigBlk:\t0000000000000200"));
              EXPECT_THAT(run(SignalSet{0}, 0), HasSubstr("SigBlk:\t0000000000000000"));
              const SignalSet ignored = signal_bit(SIGUSR2);
              const auto ignores = [](const std::string& status) {
                const std::string digits = status.substr(status.find("SigIgn:") + 8, 16);
                return (std::stoull(digits, nullptr, 16) & signal_bit(SIGUSR2)) != 0;
              };
              EXPECT_TRUE(ignores(run({}, 0)));
              EXPECT_FALSE(ignores(run({}, ignored)));
            }),
            test::exited(0));
}

TEST(Spawn, ReportsWhyItCouldNot) {
  try {
    (void)spawn({.path = "/no/such/program", .arguments = {"x"}});
    FAIL() << "nothing was thrown";
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(error.operation(), "posix_spawn");
  }
  test::Faults faults;
  faults.fail(Sys::posix_spawn, EAGAIN, 1);
  EXPECT_THROW((void)spawn(shell("")), OsError);
}

TEST(Spawn, GoesOnWithoutADescriptorForTheChild) {
  test::Faults faults;
  faults.fail(Sys::pidfd_open, EMFILE);
  const Child child = spawn(shell("exit 4"));
  EXPECT_FALSE(child.pidfd);
  EXPECT_EQ(end_of(child), (Exit{State::exited, 4}));
}

class Clone : public test::OnEveryKernel {};
MP_ON_EVERY_KERNEL(Clone);

TEST_P(Clone, MakesAChild) {
  const int here = pid();
  const Child child = clone_process(Relation::child);
  if (child.pid == 0) {
    ::_exit(parent_pid() == here && pid() != here ? 7 : 1);
  }
  EXPECT_EQ(static_cast<bool>(child.pidfd), has_newer_calls());
  EXPECT_EQ(end_of(child), (Exit{State::exited, 7}));
}

TEST_P(Clone, MakesASiblingWhomTheParentReaps) {
  const test::Shared<std::atomic<int>> sibling{0};
  const int here = pid();
  EXPECT_EQ(test::in_child([&] {
              const Child made = clone_process(Relation::sibling);
              if (made.pid == 0) {
                while (*sibling == 0) {
                  ::usleep(100);
                }
                ::_exit(parent_pid() == here && pid() == *sibling ? 9 : 1);
              }
              EXPECT_EQ(static_cast<bool>(made.pidfd), has_newer_calls());
              *sibling = made.pid;
            }),
            test::exited(0));
  EXPECT_EQ(wait_child(*sibling, -1, Deadline::never()), (Exit{State::exited, 9}));
}

TEST_P(Clone, TellsLibcWhoTheChildIs) {
  // raise() and robust mutexes go by the thread id that libc keeps.
  const test::Shared<Lease> lease;
  lease_init(*lease);
  const Child child = clone_process(Relation::child);
  if (child.pid == 0) {
    if (!lease_hold(*lease) ||
        (lease->word() & kLeaseThread) != static_cast<std::uint32_t>(pid())) {
      ::_exit(1);
    }
    ::raise(SIGTERM);
    ::_exit(2);
  }
  EXPECT_EQ(end_of(child), (Exit{State::exited, -SIGTERM}));
  EXPECT_TRUE(lease_died(*lease)) << "the child's robust list is registered";
}

TEST_P(Clone, LeavesItsParentsLeasesAlone) {
  const test::Shared<Lease> lease;
  lease_init(*lease);
  EXPECT_EQ(test::in_child([&] {
              EXPECT_TRUE(lease_hold(*lease));
              const std::uint32_t held = lease->word();
              const Child child = clone_process(Relation::child);
              if (child.pid == 0) {
                ::_exit(lease_hold(*lease) ? 1 : 0);
              }
              EXPECT_EQ(end_of(child), (Exit{State::exited, 0}));
              EXPECT_EQ(lease->word(), held);
            }),
            test::exited(0));
  EXPECT_TRUE(lease_died(*lease));
}

TEST(Clone, ReportsThatNoProcessCanBeHad) {
  test::Faults faults;
  faults.fail(Sys::clone3, EAGAIN, 1);
  EXPECT_THROW((void)clone_process(Relation::child), OsError);
  faults.fail(Sys::clone3, ENOSYS, 1);
  faults.fail(Sys::clone_pidfd, ENOMEM, 1);
  EXPECT_THROW((void)clone_process(Relation::child), OsError);
}

TEST(Clone, FindsLibcsThreadIdWithoutTheKernelsHelp) {
  test::Faults faults;
  faults.fail(Sys::prctl, EINVAL);
  const Child child = clone_process(Relation::child);
  if (child.pid == 0) {
    ::raise(SIGTERM);
    ::_exit(2);
  }
  EXPECT_EQ(end_of(child), (Exit{State::exited, -SIGTERM}));
}

// What the hooks wrote; only ever in a child of a test, for hooks stay for good.
std::string story;

void register_storytellers() {
  at_fork([] { story += "a"; }, [] { story += "b"; }, [] { story += "c"; });
  at_fork([] { story += "A"; }, nullptr, [] { story += "C"; });
  at_fork(
      nullptr, [] { story += "B"; }, nullptr);
}

TEST(ForkHooks, RunAroundAForkInBothProcesses) {
  EXPECT_EQ(test::in_child([] {
              register_storytellers();
              EXPECT_EQ(test::in_child([] { EXPECT_EQ(story, "AacC"); }), test::exited(0));
              EXPECT_EQ(story, "AabB");
            }),
            test::exited(0));
}

TEST(ForkHooks, RunAroundACloneTheSameWay) {
  EXPECT_EQ(test::in_child([] {
              register_storytellers();
              const Child child = clone_process(Relation::child);
              if (child.pid == 0) {
                ::_exit(story == "AacC" ? 0 : 1);
              }
              EXPECT_EQ(end_of(child), (Exit{State::exited, 0}));
              EXPECT_EQ(story, "AabB");
              story.clear();
              test::Faults faults;
              faults.fail(Sys::clone3, EAGAIN);
              EXPECT_THROW((void)clone_process(Relation::child), OsError);
              EXPECT_EQ(story, "AabB") << "what was prepared is undone when nothing was made";
            }),
            test::exited(0));
}

TEST(ForkHooks, AreRefusedWhenTheTableIsFull) {
  EXPECT_EQ(test::in_child([] {
              EXPECT_THROW(
                  {
                    for (int i = 0; i <= kMaxForkHooks; ++i) {
                      at_fork([] { story += "."; }, nullptr, nullptr);
                    }
                  },
                  UsageError);
              EXPECT_EQ(test::in_child([] { EXPECT_FALSE(story.empty()); }), test::exited(0));
            }),
            test::exited(0));
}

}  // namespace
}  // namespace mp::os
