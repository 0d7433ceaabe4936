// SPDX-License-Identifier: Apache-2.0
// How processes end, what becomes of their streams then, and who ends with whom.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mp/codec/types/string.hpp"
#include "mp/log.hpp"
#include "mp/pool.hpp"
#include "mp/process/current.hpp"
#include "mp/process/process.hpp"
#include "mp/queue/queue.hpp"

#include "process/life.hpp"
#include "support/eventually.hpp"
#include "support/leak_sentinel.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"
#include "support/start_methods.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::count_of;
using test::output_of;
using test::stay;

class ExitTest : public test::StartMethodTest {
 protected:
  template <class F, class... Args>
  static void run(F f, Args... args) {
    Process child{{.start = GetParam()}, f, std::move(args)...};
    child.start();
    child.join();
  }
};
MP_FOR_ALL_START_METHODS(ExitTest);

bool is_dead(int pid) {
  const test::ProcessView view = test::view_process(pid);
  return view.pid == 0 || view.state == 'Z';
}

// Streams.

TEST_P(ExitTest, AChildPrintsNothingOfItsParentsAgain) {
  const std::string text = output_of(STDOUT_FILENO, [] {
    std::printf("from printf;");
    std::cout << "from cout;";
    run([] { std::printf("from the child;"); });
    run([] { std::exit(0); });
    run([] { std::fflush(stdout); });
  });
  EXPECT_EQ(count_of(text, "from printf;"), 1u) << text;
  EXPECT_EQ(count_of(text, "from cout;"), 1u) << text;
  EXPECT_EQ(count_of(text, "from the child;"), 1u) << text;
}

TEST_P(ExitTest, AChildPrintsNothingOfAnUnsynchronisedCoutAgain) {
  const std::string text = output_of(STDOUT_FILENO, [] {
    std::ios::sync_with_stdio(false);
    std::cout << "from cout;";
    run([] { std::cout << "from the child;" << std::flush; });
    run([] { std::exit(0); });
    std::cout.flush();
  });
  EXPECT_EQ(count_of(text, "from cout;"), 1u) << text;
  EXPECT_EQ(count_of(text, "from the child;"), 1u) << text;
}

TEST_P(ExitTest, AChildStartsWhileAThreadSitsInFgets) {
  int keyboard[2];
  ASSERT_EQ(::pipe2(keyboard, O_CLOEXEC), 0);
  const std::string text = output_of(STDOUT_FILENO, [&] {
    ::dup2(keyboard[0], STDIN_FILENO);
    std::thread reader{[] {
      char line[80];
      (void)std::fgets(line, sizeof line, stdin);
    }};
    ASSERT_EVENTUALLY([] {
      if (::ftrylockfile(stdin) != 0) {
        return true;  // it sits
      }
      ::funlockfile(stdin);
      return false;
    }());
    std::printf("once;");
    run([] { std::printf("child;"); });
    run([] { std::exit(0); });
    EXPECT_EQ(::write(keyboard[1], "\n", 1), 1);
    reader.join();
  });
  EXPECT_EQ(count_of(text, "once;"), 1u) << text;
  EXPECT_EQ(count_of(text, "child;"), 1u) << text;
  ::close(keyboard[0]);
  ::close(keyboard[1]);
}

TEST_P(ExitTest, AChildFlushesWhatItPrinted) {
  EXPECT_EQ(output_of(STDOUT_FILENO, [] { run([] { std::printf("returned"); }); }), "returned");
  EXPECT_EQ(output_of(STDOUT_FILENO,
                      [] {
                        run([] {
                          std::cout << "left";
                          std::exit(5);
                        });
                      }),
            "left");
  std::string text;
  output_of(STDERR_FILENO, [&] {  // the report of the exception goes there
    EXPECT_EQ(output_of(STDOUT_FILENO,
                        [] {
                          run([] {
                            std::printf("threw");
                            throw 1;
                          });
                        }),
              "threw");
  });
}

TEST_P(ExitTest, AChildHasDevNullAsStdin) {
  Queue<std::string> answers;
  run(
      [](Queue<std::string> out) {
        struct stat mine {};
        struct stat null {};
        ::fstat(STDIN_FILENO, &mine);
        ::stat("/dev/null", &null);
        out.put(mine.st_rdev == null.st_rdev ? "null" : "something else");
        out.put(std::getchar() == EOF ? "end" : "text");
      },
      answers);
  EXPECT_EQ(answers.get(), "null");
  EXPECT_EQ(answers.get(), "end");
}

TEST_P(ExitTest, AChildStartsWithoutStandardStreams) {
  Queue<std::string> answers;
  for (const std::vector<int>& closed :
       {std::vector{STDIN_FILENO}, std::vector{STDIN_FILENO, STDOUT_FILENO},
        std::vector{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}}) {
    EXPECT_EQ(test::in_child([&] {
                for (const int fd : closed) {
                  ::close(fd);
                }
                Process child{{.start = GetParam()},
                              [](Queue<std::string> out) { out.put("here"); },
                              answers};
                child.start();
                child.join();
                EXPECT_EQ(child.exitcode(), 0);
                process::Zygote::end_forkserver();
              }),
              test::exited(0));
    EXPECT_EQ(answers.get(10s), "here");
  }
}

// What does not happen in a child.

struct Loud {
  const char* text = nullptr;
  ~Loud() {
    if (text != nullptr) {
      (void)!::write(STDOUT_FILENO, text, 10);
    }
  }
};
Loud loud;

TEST(ExitUnderFork, AChildLeavesItsParentsObjectsAndHandlersAlone) {
  const std::string text = output_of(STDOUT_FILENO, [] {
    loud.text = "[object]..";
    std::atexit([] { (void)!::write(STDOUT_FILENO, "[handler].", 10); });
    for (const bool exits : {false, true}) {
      Process child{test::under_fork(), [exits] {
                      if (exits) {
                        std::exit(0);
                      }
                    }};
      child.start();
      child.join();
      EXPECT_EQ(child.exitcode(), 0);
    }
    std::fflush(stdout);
    std::exit(0);  // here they are run
  });
  EXPECT_EQ(count_of(text, "[object].."), 1u) << text;
  EXPECT_EQ(count_of(text, "[handler]."), 1u) << text;
}

TEST_P(ExitTest, ItsOwnAtexitHandlersRunWhenItExits) {
  EXPECT_EQ(output_of(STDOUT_FILENO,
                      [] {
                        run([] {
                          std::atexit([] { std::printf("own"); });
                          std::exit(0);
                        });
                      }),
            "own");
}

// The orderly end.

TEST_P(ExitTest, AtExitDaemonsAreTerminatedAndOthersWaitedFor) {
  Queue<std::string> words;
  Queue<int> pids;
  EXPECT_EQ(test::in_child([&] {
              auto* daemon = new Process{{.daemon = true, .start = GetParam()}, stay};
              daemon->start();
              pids.put(daemon->pid().value());
              auto* other = new Process{{.start = GetParam()},
                                        [](Queue<std::string> out) {
                                          ::usleep(50'000);
                                          out.put("finished");
                                        },
                                        words};
              other->start();
              pids.put(other->pid().value());
              std::exit(4);
            }),
            test::exited(4));
  EXPECT_EQ(words.get_nowait(), "finished");
  EXPECT_EQ(test::view_process(pids.get()).pid, 0);  // reaped by its parent
  EXPECT_EQ(test::view_process(pids.get()).pid, 0);
  EXPECT_TRUE(test::children_of(::getpid()).empty());  // the forkserver too
}

TEST_P(ExitTest, AChildEndsItsChildrenInOrderToo) {
  Queue<std::string> words;
  run(
      [](Queue<std::string> out, StartMethod method) {
        auto* grandchild = new Process{{.start = method},
                                       [](Queue<std::string> to) {
                                         ::usleep(20'000);
                                         to.put("grandchild");
                                       },
                                       out};
        grandchild->start();
      },
      words, GetParam());
  EXPECT_EQ(words.get_nowait(), "grandchild");
  EXPECT_EVENTUALLY(test::children_of(::getpid()).size() ==
                    (GetParam() == StartMethod::forkserver ? 1u : 0u));
}

// Death.

void have_a_staying_child(Queue<int> pids, StartMethod method) {
  Process child{{.start = method}, stay};
  child.start();
  pids.put(current_process().pid());
  pids.put(child.pid().value());
  stay();
}

TEST_P(ExitTest, AKilledParentTakesItsChildrenAndTheirsWithIt) {
  Queue<int> pids;
  test::Child program{[&] {
    Process child{{.start = GetParam()}, have_a_staying_child, pids, GetParam()};
    child.start();
    stay();
  }};
  const std::vector<int> all{pids.get(), pids.get()};
  for (const int pid : all) {
    EXPECT_FALSE(is_dead(pid));
  }
  program.kill();
  for (const int pid : all) {
    EXPECT_EVENTUALLY(is_dead(pid));
  }
  // And whoever else there was (forkservers): nothing is left but what can be reaped.
  EXPECT_EVENTUALLY((test::reap_adopted(), test::children_of(::getpid()).empty()));
}

TEST_P(ExitTest, AChildOutlivesTheThreadThatStartedIt) {
  Queue<std::string> questions;
  Queue<std::string> answers;
  std::unique_ptr<Process> child;
  std::thread{[&] {
    child = std::make_unique<Process>(
        ProcessOptions{.start = GetParam()},
        [](Queue<std::string> in, Queue<std::string> out) { out.put(in.get() + "!"); }, questions,
        answers);
    child->start();
  }}.join();
  // The kernel tells the child of the thread's end while the child waits for this:
  questions.put("alive");
  EXPECT_EQ(answers.get(), "alive!");
  child->join();
  EXPECT_EQ(child->exitcode(), 0);
}

TEST_P(ExitTest, ThePartsThatSomebodyElseReapedAreKnownFromTheChildItself) {
  EXPECT_EQ(test::in_child([] {
              Process child{{.start = GetParam()}, [] { std::exit(21); }};
              child.start();
              siginfo_t info{};
              // As another library would; the forkserver, if any, runs on.
              ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid().value()), &info, WEXITED), 0);
              child.join();
              EXPECT_EQ(child.exitcode(), 21);
              Process killed{{.start = GetParam()}, stay};
              killed.start();
              killed.kill();
              ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(killed.pid().value()), &info, WEXITED),
                        0);
              killed.join();
              EXPECT_THAT(killed.exitcode().value(), testing::AnyOf(255, -SIGKILL));
              process::Zygote::end_forkserver();
            }),
            test::exited(0));
}

TEST_P(ExitTest, StatusIsRightWhereSigchldIsIgnored) {
  EXPECT_EQ(test::in_child([] {
              ::signal(SIGCHLD, SIG_IGN);
              Process child{{.start = GetParam()}, [] { std::exit(22); }};
              child.start();
              child.join();
              EXPECT_EQ(child.exitcode(), 22);
              EXPECT_FALSE(child.is_alive());
              Process other{{.start = GetParam()}, test::do_nothing};
              other.start();
              EXPECT_TRUE(other.join(20s));
              EXPECT_EQ(other.exitcode(), 0);
              process::Zygote::end_forkserver();
            }),
            test::exited(0));
}

TEST_P(ExitTest, CtrlCEndsAProgramOnceAndQuietly) {
  Queue<int> pids;
  const std::string said = output_of(STDERR_FILENO, [&] {
    test::Child program{[&] {
      ::setpgid(0, 0);
      Pool pool{{.processes = 2, .start = GetParam()}};
      (void)pool.map([](int x) { return x; }, std::vector<int>{1, 2, 3});
      Process child{{.start = GetParam()}, have_a_staying_child, pids, GetParam()};
      child.start();
      pids.put(::getpid());
      stay();
    }};
    std::vector<int> all{pids.get(), pids.get(), pids.get()};
    for (const test::ProcessView& view : test::descendants_of(program.pid())) {
      all.push_back(view.pid);
    }
    ::kill(-program.pid(), SIGINT);
    EXPECT_EQ(program.wait(), test::killed_by(SIGINT));
    for (const int pid : all) {
      EXPECT_EVENTUALLY(is_dead(pid));
    }
  });
  EXPECT_EQ(said, "");
  EXPECT_EVENTUALLY((test::reap_adopted(), test::children_of(::getpid()).empty()));
}

// The warning.

TEST(ExitUnderFork, ThreadsAtAForkAreWarnedOfOnce) {
  const std::string said = output_of(STDERR_FILENO, [] {
    log_to_stderr();
    const auto fork_one = [] {
      Process child{test::under_fork(), [] {}};
      child.start();
      child.join();
    };
    fork_one();
    std::fputs("threads:", stderr);
    test::Signal end;
    std::thread thread{[&] { end.await(); }};
    fork_one();
    fork_one();
    end.raise();
    thread.join();
  });
  EXPECT_EQ(count_of(said, "several threads"), 1u) << said;
  EXPECT_LT(said.find("threads:"), said.find("several threads")) << said;
}

TEST(ExitUnderFork, NoWarningIsNeededUnderOtherMethods) {
  const std::string said = output_of(STDERR_FILENO, [] {
    log_to_stderr();
    test::Signal end;
    std::thread thread{[&] { end.await(); }};
    for (const StartMethod method : {StartMethod::forkserver, StartMethod::spawn}) {
      Process child{{.start = method}, test::do_nothing};
      child.start();
      child.join();
    }
    end.raise();
    thread.join();
  });
  EXPECT_EQ(said, "");
}

TEST_P(ExitTest, DescriptorsDoNotGather) {
  run(test::do_nothing);
  const auto before = test::Holdings::now();
  for (int i = 0; i < 5; ++i) {
    run(test::do_nothing);
  }
  EXPECT_THAT(test::lasting_differences(before), testing::IsEmpty());
}

}  // namespace
}  // namespace mp
