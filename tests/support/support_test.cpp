// SPDX-License-Identifier: Apache-2.0
// The test support proves itself: what leaks is named, what hangs is shown, what a child does is
// told to its parent. Tests named DISABLED_ fail on purpose and run in a second copy of this
// program.
#include <array>
#include <cstdio>
#include <fstream>
#include <gmock/gmock.h>
#include <string>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child.hpp"
#include "support/cpu.hpp"
#include "support/eventually.hpp"
#include "support/leak_sentinel.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"
#include "support/scratch_dir.hpp"
#include "support/shared.hpp"
#include "support/watchdog.hpp"

namespace mp::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

struct Outcome {
  std::string output;
  int status = 0;
};

// Runs one disabled test of this program in a second copy and returns all it printed.
Outcome run_again(const std::string& test, const std::string& environment = "") {
  const std::string command = environment + " /proc/" + std::to_string(::getpid()) +
                              "/exe --gtest_also_run_disabled_tests --gtest_filter=" + test +
                              " 2>&1";
  Outcome run;
  std::FILE* pipe = ::popen(command.c_str(), "re");
  std::array<char, 4096> chunk{};
  for (std::size_t got = 0; (got = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) {
    run.output.append(chunk.data(), got);
  }
  run.status = ::pclose(pipe);
  return run;
}

TEST(Child, TellsHowItEnded) {
  EXPECT_EQ(in_child([] {}), exited(0));
  EXPECT_EQ(in_child([] { return 7; }), exited(7));
  EXPECT_EQ(in_child([] { ::raise(SIGKILL); }), killed_by(SIGKILL));
  EXPECT_EQ(in_child([] { throw std::runtime_error{"on purpose"}; }), exited(kThrew));
}

TEST(Child, TellsOfFailedExpectations) {
  EXPECT_EQ(in_child([] { EXPECT_EQ(1, 2) << "on purpose"; }), exited(kFailedExpectations));
}

TEST(Child, IsKilledWhenItDoesNotEndInTime) {
  Child child{[] { ::pause(); }};
  EXPECT_THROW(child.wait(20ms), std::runtime_error);
  EXPECT_EQ(child.wait(), killed_by(SIGKILL));
}

TEST(Child, IsReapedByItsDestructor) {
  pid_t pid = 0;
  {
    const Child child{[] { ::pause(); }};
    pid = child.pid();
    EXPECT_FALSE(child.has_ended());
  }
  EXPECT_EQ(view_process(pid).pid, 0);
}

TEST(Signal, IsTakenOnceForEachRaise) {
  Signal signal;
  EXPECT_FALSE(signal.try_take());
  Child child{[&] {
    signal.raise();
    signal.raise();
  }};
  signal.await();
  signal.await();
  EXPECT_FALSE(signal.try_take());
  EXPECT_THROW(signal.await(10ms), std::runtime_error);
}

TEST(Rendezvous, LetsNobodyPassBeforeAllArrived) {
  constexpr int kRounds = 200;
  const Shared<std::atomic<int>> arrivals;
  Rendezvous meeting{3};
  const auto party = [&] {
    for (int round = 1; round <= kRounds; ++round) {
      arrivals->fetch_add(1);
      meeting.arrive_and_wait();
      EXPECT_GE(arrivals->load(), 3 * round);
    }
  };
  Child first{party};
  Child second{party};
  party();
  EXPECT_EQ(first.wait(), exited(0));
  EXPECT_EQ(second.wait(), exited(0));
}

TEST(ProcView, SeesChildrenAndTheirChildren) {
  Signal ready;
  Child child{[&] {
    Child grandchild{[&] {
      ready.raise();
      ::pause();
    }};
    ::pause();
  }};
  ready.await();
  EXPECT_EVENTUALLY(descendants_of(::getpid()).size() == 2);
  ASSERT_EQ(children_of(::getpid()).size(), 1U);
  EXPECT_EQ(children_of(::getpid())[0].pid, child.pid());
  EXPECT_EVENTUALLY(is_asleep(child.pid()));
  const pid_t grandchild = children_of(child.pid()).at(0).pid;
  child.kill();
  // This process is a subreaper: the orphan cannot hide from the sentinel.
  EXPECT_EVENTUALLY(view_process(grandchild).parent == ::getpid());
  ::kill(grandchild, SIGKILL);
  EXPECT_EVENTUALLY(reap_adopted() == 1);
}

TEST(PinnedCpu, HoldsForChildrenAndIsUndone) {
  const std::vector<int> before = usable_cpus();
  {
    const PinnedCpu pinned{before.back()};
    EXPECT_EQ(in_child([&] { EXPECT_EQ(usable_cpus(), std::vector<int>{before.back()}); }),
              exited(0));
  }
  EXPECT_EQ(usable_cpus(), before);
}

TEST(LeakSentinel, SeesEachKindOfLeak) {
  const Holdings before = Holdings::now();
  EXPECT_THAT(lasting_differences(before), testing::IsEmpty());

  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_THAT(differences(before, Holdings::now()),
              testing::Contains("leaked file descriptor " + std::to_string(fd) + ": /dev/null"));
  ::close(fd);

  Signal end;
  std::thread thread{[&] { end.await(); }};
  EXPECT_THAT(differences(before, Holdings::now()), testing::Contains(HasSubstr("leaked thread")));
  end.raise();
  thread.join();

  const Holdings with_pipe = Holdings::now();
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(0);
  }
  EXPECT_EVENTUALLY(view_process(child).state == 'Z');
  EXPECT_THAT(differences(with_pipe, Holdings::now()),
              testing::Contains(HasSubstr("leaked child process " + std::to_string(child))));
  ::waitpid(child, nullptr, 0);

  for (const std::string& path :
       {"/dev/shm/psm_" + std::to_string(::getpid()), "/tmp/mp-" + std::to_string(::getpid())}) {
    std::ofstream{path} << "x";
    EXPECT_THAT(differences(with_pipe, Holdings::now()),
                testing::Contains("leaked name " + path + ": " + path));
    ::unlink(path.c_str());
  }
  EXPECT_THAT(lasting_differences(with_pipe), testing::IsEmpty());
}

TEST(LeakSentinel, BlamesNobodyForWhatAnotherProgramHolds) {
  const std::string path = "/dev/shm/mp-elsewhere-" + std::to_string(::getpid());
  // A process that is no descendant: its parent has gone and left it to the first subreaper above,
  // which is this process. So the roles are swapped: a child looks at what its parent holds.
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  EXPECT_EQ(in_child([&] {
              ::close(fd);
              Holdings before = Holdings::now();
              before.held[Resource::name].erase(path);
              EXPECT_THAT(differences(before, Holdings::now()),
                          Not(testing::Contains(HasSubstr(path))));
            }),
            exited(0));
  ::unlink(path.c_str());
  ::close(fd);
}

TEST(LeakSentinel, SeesADescriptorThatATestClosedForSomebodyElse) {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const Holdings before = Holdings::now();
  ::close(fd);
  EXPECT_THAT(differences(before, Holdings::now()), testing::Contains(HasSubstr("closed file")));
}

TEST(LeakSentinel, DISABLED_Leaks) {
  ASSERT_GE(::open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
}

TEST(LeakSentinel, FailsTheTestThatLeaks) {
  const Outcome run = run_again("LeakSentinel.DISABLED_Leaks");
  EXPECT_NE(run.status, 0);
  EXPECT_THAT(run.output, HasSubstr("leaked file descriptor"));
  EXPECT_THAT(run.output, HasSubstr("[  FAILED  ] LeakSentinel.DISABLED_Leaks"));
}

TEST(LeakSentinel, DISABLED_ReturnsTwice) {
  const pid_t child = ::fork();
  if (child != 0) {
    int status = 0;
    ::waitpid(child, &status, 0);
    std::printf("the child ended with %d\n", WEXITSTATUS(status));
  }
}

TEST(LeakSentinel, EndsAChildThatReturnsFromItsTest) {
  const Outcome run = run_again("LeakSentinel.DISABLED_ReturnsTwice");
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.output, HasSubstr("a forked child returned into GoogleTest"));
  EXPECT_THAT(run.output, HasSubstr("the child ended with 120"));
}

TEST(Watchdog, DISABLED_Hangs) {
  Child child{[] { ::pause(); }};
  std::thread thread{[] { ::pause(); }};
  ::pause();
  thread.join();
}

TEST(Watchdog, ShowsThreadsAndChildrenAndAborts) {
  const Outcome run = run_again("Watchdog.DISABLED_Hangs", "MP_TEST_TIMEOUT=1");
  EXPECT_NE(run.status, 0);
  EXPECT_THAT(run.output, HasSubstr("=== watchdog: Watchdog.DISABLED_Hangs takes too long"));
  EXPECT_THAT(run.output, HasSubstr("--- descendant "));
  std::size_t stacks = 0;
  for (std::size_t at = run.output.find("--- stack of"); at != std::string::npos;
       at = run.output.find("--- stack of", at + 1)) {
    ++stacks;
  }
  EXPECT_EQ(stacks, 3U) << run.output;  // two threads here, one in the child
  EXPECT_THAT(run.output, HasSubstr("=== watchdog: aborting"));
  EXPECT_EVENTUALLY(reap_adopted() == 1);  // the killed child: its parent aborted before it
}

TEST(Watchdog, DISABLED_ExtendsItsTime) {
  set_test_timeout(60s);
  Signal never;
  EXPECT_THROW(never.await(1500ms), std::runtime_error);
}

TEST(Watchdog, GivesATestTheTimeItAsksFor) {
  const Outcome run = run_again("Watchdog.DISABLED_ExtendsItsTime", "MP_TEST_TIMEOUT=1");
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output, Not(HasSubstr("watchdog")));
}

TEST(Watchdog, IsNotInheritedByChildren) {
  // The alarm of this test would come in two seconds; the child outlives it.
  set_test_timeout(2s);
  Child child{[] {
    Signal never;
    EXPECT_THROW(never.await(2300ms), std::runtime_error);
  }};
  set_test_timeout(60s);
  EXPECT_EQ(child.wait(), exited(0));
}

}  // namespace
}  // namespace mp::test
