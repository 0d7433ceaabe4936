// SPDX-License-Identifier: Apache-2.0
#include "mp/process/current.hpp"

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include <sched.h>
#include <unistd.h>

#include "mp/codec/types/string.hpp"
#include "mp/errors/error.hpp"
#include "mp/log.hpp"
#include "mp/process/process.hpp"
#include "mp/queue/queue.hpp"

#include "process/life.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/start_methods.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::stay;

class CurrentTest : public test::StartMethodTest {};
MP_FOR_ALL_START_METHODS(CurrentTest);

TEST(CurrentProcess, IsTheMainOneAtFirst) {
  const CurrentProcess self = current_process();
  EXPECT_EQ(self.name(), "MainProcess");
  EXPECT_EQ(self.pid(), ::getpid());
  EXPECT_FALSE(self.daemon());
  EXPECT_EQ(self.authkey().size(), 32u);
  EXPECT_EQ(self.authkey(), current_process().authkey());
  EXPECT_FALSE(parent_process().has_value());
  EXPECT_TRUE(active_children().empty());
}

TEST(CurrentProcess, IsRenamed) {
  EXPECT_EQ(test::in_child([] {
              current_process().set_name("Alice");
              current_process().set_authkey("open");
              EXPECT_EQ(current_process().name(), "Alice");
              EXPECT_EQ(current_process().authkey(), "open");
              Process child{test::under_fork(), [] {
                              if (parent_process()->name() != "Alice" ||
                                  current_process().authkey() != "open") {
                                std::exit(1);
                              }
                            }};
              child.start();
              child.join();
              EXPECT_EQ(child.exitcode(), 0);
            }),
            test::exited(0));
}

TEST(CpuCount, IsTheNumberOfCpusThisProcessMayUse) {
  cpu_set_t all;
  ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
  EXPECT_EQ(cpu_count(), CPU_COUNT(&all));
  EXPECT_EQ(test::in_child([&] {
              cpu_set_t one;
              CPU_ZERO(&one);
              for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
                if (CPU_ISSET(i, &all)) {
                  CPU_SET(i, &one);
                }
              }
              ::sched_setaffinity(0, sizeof one, &one);
              EXPECT_EQ(cpu_count(), 1);
            }),
            test::exited(0));
}

TEST_P(CurrentTest, ActiveChildrenAreThoseThatRun) {
  EXPECT_TRUE(active_children().empty());
  Process first{{.start = GetParam()}, stay};
  Process second{{.start = GetParam()}, test::do_nothing};
  EXPECT_TRUE(active_children().empty());
  first.start();
  second.start();
  EXPECT_EVENTUALLY(active_children() == std::vector<ProcessHandle>{first});
  // Asking reaped the other one: it is no zombie.
  EXPECT_EQ(test::view_process(second.pid().value()).pid, 0);
  EXPECT_EQ(second.exitcode(), 0);
  for (const ProcessHandle& child : active_children()) {
    child.kill();
    child.join();
  }
  EXPECT_TRUE(active_children().empty());
  EXPECT_EQ(first.exitcode(), -SIGKILL);
}

TEST_P(CurrentTest, ActiveChildrenAreNotThoseOfTheParent) {
  Process sibling{{.start = GetParam()}, stay};
  sibling.start();
  Queue<int> counts;
  Process child{{.start = GetParam()},
                [](Queue<int> out) { out.put(static_cast<int>(active_children().size())); },
                counts};
  child.start();
  EXPECT_EQ(counts.get(), 0);
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  sibling.kill();
}

TEST_P(CurrentTest, ParentIsAliveUntilItDies) {
  // The child outlives the moment of its parent's death only if nothing ends it, so it is asked
  // from another process of the tree: by what it saw before.
  Queue<std::string> answers;
  Process child{{.name = "asker", .start = GetParam()},
                [](Queue<std::string> out) {
                  const ProcessHandle parent = parent_process().value();
                  out.put(parent.name());
                  out.put(parent.is_alive() ? "alive" : "dead");
                  out.put(parent.join(10ms) ? "joined" : "waited");
                  out.put(parent.exitcode() ? "code" : "none");
                  try {
                    parent.kill();
                  } catch (const UsageError&) {
                    out.put("refused");
                  }
                  out.put(parent == parent_process().value() ? "same" : "another");
                  out.put(std::to_string(parent.sentinel().fileno() >= 0 ? 1 : 0));
                },
                answers};
  child.start();
  EXPECT_THAT(answers.get_many(1), testing::ElementsAre("MainProcess"));
  child.join();
  EXPECT_THAT(answers.get_many(10, Deadline::now()),
              testing::ElementsAre("alive", "waited", "none", "refused", "same", "1"));
}

// A process that was forked by hand.

TEST_P(CurrentTest, AProcessForkedByHandIsOneOfItsOwn) {
  Process of_parent{{.start = GetParam()}, stay};
  of_parent.start();
  EXPECT_EQ(test::in_child([] {
              EXPECT_EQ(current_process().pid(), ::getpid());
              EXPECT_TRUE(active_children().empty());
              Queue<int> parents;
              Process child{{.start = GetParam()},
                            [](Queue<int> out) { out.put(parent_process()->pid().value()); },
                            parents};
              child.start();
              EXPECT_EQ(parents.get(), ::getpid());
              child.join();
              EXPECT_EQ(child.exitcode(), 0);
              process::Zygote::end_forkserver();
            }),
            test::exited(0));
  EXPECT_TRUE(of_parent.is_alive());
  of_parent.kill();
}

// Start methods. In processes of their own, so that this one's is not fixed.

TEST(StartMethods, HaveNames) {
  EXPECT_EQ(to_string(StartMethod::fork), "fork");
  EXPECT_EQ(to_string(StartMethod::forkserver), "forkserver");
  EXPECT_EQ(to_string(StartMethod::spawn), "spawn");
}

TEST(StartMethods, AreSetOnce) {
  EXPECT_EQ(test::in_child([] {
              ::unsetenv("MP_START_METHOD");
              EXPECT_EQ(fixed_start_method(), std::nullopt);
              EXPECT_EQ(get_all_start_methods().front(), StartMethod::fork);
              EXPECT_EQ(get_all_start_methods().size(), 3u);
              EXPECT_EQ(fixed_start_method(), std::nullopt);
              set_start_method(StartMethod::spawn);
              EXPECT_EQ(get_start_method(), StartMethod::spawn);
              EXPECT_THROW(set_start_method(StartMethod::fork), UsageError);
              EXPECT_EQ(get_start_method(), StartMethod::spawn);
              set_start_method(StartMethod::forkserver, true);
              EXPECT_EQ(get_start_method(), StartMethod::forkserver);
              EXPECT_THROW(set_start_method(static_cast<StartMethod>(9), true), UsageError);
            }),
            test::exited(0));
}

TEST(StartMethods, AreFixedByAsking) {
  EXPECT_EQ(test::in_child([] {
              ::unsetenv("MP_START_METHOD");
              EXPECT_EQ(get_start_method(), StartMethod::fork);
              EXPECT_EQ(fixed_start_method(), StartMethod::fork);
              EXPECT_THROW(set_start_method(StartMethod::spawn), UsageError);
            }),
            test::exited(0));
}

TEST(StartMethods, ComeFromTheEnvironment) {
  EXPECT_EQ(test::in_child([] {
              ::setenv("MP_START_METHOD", "forkserver", 1);
              EXPECT_THAT(get_all_start_methods(),
                          testing::ElementsAre(StartMethod::forkserver, StartMethod::fork,
                                               StartMethod::spawn));
              EXPECT_EQ(get_start_method(), StartMethod::forkserver);
            }),
            test::exited(0));
  EXPECT_EQ(test::in_child([] {
              ::setenv("MP_START_METHOD", "spoon", 1);
              EXPECT_THROW((void)get_start_method(), UsageError);
              Process child{test::do_nothing};
              EXPECT_THROW(child.start(), UsageError);
            }),
            test::exited(0));
}

void tell_method(Queue<std::string> out) {
  out.put(std::string{to_string(get_start_method())});
}

TEST_P(CurrentTest, AChildHasItsParentsStartMethod) {
  EXPECT_EQ(test::in_child([] {
              Queue<std::string> answers;
              for (const StartMethod method :
                   {StartMethod::spawn, StartMethod::forkserver, StartMethod::fork}) {
                set_start_method(method, true);
                Process child{{.start = GetParam()}, tell_method, answers};
                child.start();
                EXPECT_EQ(answers.get(), to_string(method));
              }
              process::Zygote::end_forkserver();
            }),
            test::exited(0));
}

TEST_P(CurrentTest, AChildReadsTheEnvironmentAsItsParentWould) {
  EXPECT_EQ(test::in_child([] {
              ::setenv("MP_START_METHOD", "spawn", 1);
              Queue<std::string> answers;
              Process child{{.start = GetParam()}, tell_method, answers};
              child.start();
              EXPECT_EQ(answers.get(), "spawn");
              child.join();
              process::Zygote::end_forkserver();
            }),
            test::exited(0));
}

TEST_P(CurrentTest, AChildLogsAsItsParentDoes) {
  const std::string said = test::output_of(STDERR_FILENO, [] {
    const auto run = [](const std::string& text) {
      Process child{{.name = "scribe", .start = GetParam()},
                    [](const std::string& line) { get_logger().info(line); },
                    text};
      child.start();
      child.join();
    };
    run("too early");
    log_to_stderr(LogLevel::info);  // also for a forkserver that runs already
    run("just right");
  });
  EXPECT_EQ(test::count_of(said, "too early"), 0u) << said;
  EXPECT_EQ(test::count_of(said, "just right"), 1u) << said;
  EXPECT_EQ(test::count_of(said, "scribe"), 1u) << said;
}

}  // namespace
}  // namespace mp
