// SPDX-License-Identifier: Apache-2.0
#include "os/proc.hpp"

#include <gmock/gmock.h>
#include <thread>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/limits.hpp"
#include "support/child.hpp"
#include "support/cpu.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"

namespace mp::os {
namespace {

using testing::ElementsAre;

std::string line_with(const std::string& comm) {
  return "4711 (" + comm +
         ") S 42 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 123456789 17 18 19 20\n";
}

TEST(ProcStat, ReadsAPlainLine) {
  const auto stat = parse_proc_stat(line_with("sh"));
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 42);
  EXPECT_EQ(stat->flags, 4194560U);
  EXPECT_EQ(stat->threads, 9);
  EXPECT_EQ(stat->start_time, 123456789U);
}

TEST(ProcStat, IsNotFooledByTheCommandsName) {
  for (const char* comm : {"", ")", "(", "))))", ") Z 1 1 1", "a b c", ") R 1 (x", "new\nline",
                           "S 1 2", ") S 42 4711 4711 0", "\xff\xfe"}) {
    const auto stat = parse_proc_stat(line_with(comm));
    ASSERT_TRUE(stat) << comm;
    EXPECT_EQ(stat->state, 'S') << comm;
    EXPECT_EQ(stat->start_time, 123456789U) << comm;
  }
}

TEST(ProcStat, RefusesWhatIsNoSuchLine) {
  const std::string good = line_with("sh");
  const std::size_t end_of_22 = good.find(" 17 18");
  for (std::size_t size = 0; size != good.size(); ++size) {
    const auto stat = parse_proc_stat(std::string_view{good}.substr(0, size));
    if (size <= good.find("123456789")) {
      EXPECT_FALSE(stat) << size;
    } else if (size >= end_of_22) {
      EXPECT_TRUE(stat) << size;
    }
  }
  for (const char* bad : {"", ")", "1 (a)", "1 (a) ", "1 (a) S", "1 a S 2 3", "1 (a) S x 3",
                          "1 (a) S 1 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 9 0 -5 1"}) {
    EXPECT_FALSE(parse_proc_stat(bad)) << bad;
  }
}

TEST(ProcStat, ReadsAProcessThatHasAHostileName) {
  test::Signal named;
  test::Child child{[&] {
    ::prctl(PR_SET_NAME, ") Z 1 1\n1 (x");
    named.raise();
    ::pause();
  }};
  named.await();
  const auto stat = proc_stat(child.pid());
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->parent, pid());
  EXPECT_GE(stat->start_time, start_time(pid()));
  EXPECT_FALSE(is_zombie_or_gone(child.pid(), stat->start_time));
}

TEST(StartTime, BelongsToOneProcessAlone) {
  EXPECT_NE(start_time(pid()), 0U);
  EXPECT_EQ(start_time(pid()), start_time(pid()));
  EXPECT_EQ(start_time(0), 0U);
  EXPECT_EQ(start_time(-1), 0U);
  test::Child child{[] {}};
  child.wait();
  EXPECT_EQ(start_time(child.pid()), 0U);
}

TEST(IsZombieOrGone, TellsTheLivingFromTheDead) {
  test::Child child{[] { ::pause(); }};
  const std::uint64_t started = start_time(child.pid());
  EXPECT_FALSE(is_zombie_or_gone(child.pid(), started));
  EXPECT_FALSE(is_zombie_or_gone(child.pid(), 0));
  EXPECT_TRUE(is_zombie_or_gone(child.pid(), started + 1)) << "the pid of somebody else";
  child.send_signal(SIGSTOP);
  ASSERT_EVENTUALLY(test::view_process(child.pid()).state == 'T');
  EXPECT_FALSE(is_zombie_or_gone(child.pid(), started)) << "a stopped process is alive";
  EXPECT_FALSE(is_ending(child.pid(), started));
  child.send_signal(SIGKILL);
  ASSERT_TRUE(child.has_ended(test::kPatience));
  EXPECT_TRUE(is_zombie_or_gone(child.pid(), started));
  EXPECT_TRUE(is_ending(child.pid(), started)) << "a zombie's flags stay";
  EXPECT_FALSE(is_ending(child.pid(), started + 1)) << "the pid of somebody else";
  child.wait();
  EXPECT_TRUE(is_zombie_or_gone(child.pid(), started));
  EXPECT_TRUE(is_zombie_or_gone(child.pid(), 0));
}

TEST(IsZombieOrGone, CountsAProcessAsAliveWhoseMainThreadEnded) {
  test::Child child{[] {
    std::thread{[] {
      for (;;) {
        ::pause();
      }
    }}.detach();
    ::syscall(SYS_exit, 0);  // this thread only
  }};
  const std::uint64_t started = start_time(child.pid());
  ASSERT_EVENTUALLY(test::view_process(child.pid()).state == 'Z');
  EXPECT_FALSE(is_zombie_or_gone(child.pid(), started));
  EXPECT_FALSE(is_ending(child.pid(), started));
  child.send_signal(SIGKILL);
  ASSERT_TRUE(child.has_ended(test::kPatience));
  EXPECT_TRUE(is_zombie_or_gone(child.pid(), started));
}

TEST(IsZombieOrGone, AsksTheKernelWhereProcShowsNothing) {
  test::Child child{[] { ::pause(); }};
  const std::uint64_t started = start_time(child.pid());
  test::Faults faults;
  faults.fail(Sys::open, EACCES);
  EXPECT_EQ(start_time(child.pid()), 0U);
  EXPECT_FALSE(is_zombie_or_gone(child.pid(), started));
  child.kill();
  EXPECT_TRUE(is_zombie_or_gone(child.pid(), started));
}

class Cpu : public test::OnEveryKernel {};
MP_ON_EVERY_KERNEL(Cpu);

TEST_P(Cpu, IsTheOneThisThreadIsPinnedTo) {
  for (const int cpu : test::usable_cpus()) {
    const test::PinnedCpu pinned{cpu};
    EXPECT_EQ(current_cpu(), cpu);
    EXPECT_EQ(cpu_count(), 1);
    std::thread{[&] { EXPECT_EQ(current_cpu(), cpu); }}.join();
    EXPECT_EQ(test::in_child([&] { EXPECT_EQ(current_cpu(), cpu); }), test::exited(0));
  }
}

TEST(CpuCount, CountsTheUsableOnes) {
  EXPECT_EQ(cpu_count(), static_cast<int>(test::usable_cpus().size()));
}

TEST(Process, KnowsItself) {
  EXPECT_EQ(pid(), ::getpid());
  EXPECT_EQ(parent_pid(), ::getppid());
  std::thread{[] { EXPECT_NE(thread_id(), pid()); }}.join();
  EXPECT_THAT(executable_path(), testing::HasSubstr("os_test"));
  EXPECT_THAT(command_line().front(), testing::HasSubstr("os_test"));
  EXPECT_FALSE(secure_mode());
}

TEST(ThreadName, IsCutToWhatTheKernelKeeps) {
  std::thread{[] {
    set_thread_name("a name that is too long");
    EXPECT_EQ(thread_name(), "a name that is ");
    set_thread_name("short");
    EXPECT_EQ(thread_name(), "short");
  }}.join();
}

TEST(Environment, IsReadable) {
  EXPECT_EQ(env("MP_TEST_NOT_SET"), std::nullopt);
  EXPECT_EQ(test::in_child([] {
              ::setenv("MP_TEST_SET", "yes", 1);
              EXPECT_EQ(env("MP_TEST_SET"), "yes");
              EXPECT_EQ(trusted_env("MP_TEST_SET"), "yes");
            }),
            test::exited(0));
}

TEST(Limits, CanBeSetAndRead) {
  EXPECT_EQ(test::in_child([] {
              const LimitValue before = limit(Limit::open_files);
              set_limit(Limit::open_files, {before.soft - 1, before.hard});
              EXPECT_EQ(limit(Limit::open_files).soft, before.soft - 1);
              EXPECT_EQ(limit(Limit::open_files).hard, before.hard);
            }),
            test::exited(0));
}

TEST(Affinity, CanBeSetAndRead) {
  EXPECT_EQ(test::in_child([] {
              const std::vector<int> all = affinity();
              EXPECT_EQ(all, test::usable_cpus());
              set_affinity(std::array{all.back()});
              EXPECT_THAT(affinity(), ElementsAre(all.back()));
            }),
            test::exited(0));
}

TEST(Affinity, AsksAgainWithALongerMaskOnALargeMachine) {
  test::Faults faults;
  faults.fail(Sys::sched_getaffinity, EINVAL, 2);
  EXPECT_EQ(affinity(), test::usable_cpus());
}

}  // namespace
}  // namespace mp::os
