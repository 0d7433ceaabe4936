// SPDX-License-Identifier: Apache-2.0
#include "mp/process/finalize.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/codec/types/string.hpp"
#include "mp/process/process.hpp"
#include "mp/queue/queue.hpp"

#include "process/life.hpp"
#include "support/start_methods.hpp"

namespace mp {
namespace {

using testing::ElementsAre;
using Words = Queue<std::string>;

class FinalizeTest : public test::StartMethodTest {
 protected:
  // What a child that runs `f(words, args...)` has left in `words` when it has ended.
  template <class F, class... Args>
  static std::vector<std::string> words_of(F f, Args... args) {
    Words words;
    Process child{{.start = GetParam()}, f, words, args...};
    child.start();
    child.join();
    return words.get_many(1000, Deadline::now());
  }
};
MP_FOR_ALL_START_METHODS(FinalizeTest);

TEST(Finalize, RunsWhenCalledAndOnce) {
  int ran = 0;
  Finalize finalize{[&] { ++ran; }};
  EXPECT_TRUE(finalize.still_active());
  finalize();
  EXPECT_EQ(ran, 1);
  EXPECT_FALSE(finalize.still_active());
  finalize();
  EXPECT_EQ(ran, 1);
}

TEST(Finalize, IsCancelled) {
  int ran = 0;
  Finalize finalize{[&] { ++ran; }};
  finalize.cancel();
  EXPECT_FALSE(finalize.still_active());
  finalize();
  finalize.cancel();
  EXPECT_EQ(ran, 0);
}

TEST(Finalize, Moves) {
  int first = 0;
  int second = 0;
  Finalize a{[&] { ++first; }};
  Finalize b{std::move(a)};
  EXPECT_TRUE(b.still_active());
  Finalize c{[&] { ++second; }};
  c = std::move(b);  // cancels what c had
  c();
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0);
}

TEST(Finalize, LetsTheFunctionMakeAndCancelOthers) {
  std::optional<Finalize> inner;
  Finalize other{[] { FAIL() << "cancelled"; }};
  Finalize outer{[&] {
    inner.emplace([] {});
    other.cancel();
  }};
  outer();
  EXPECT_TRUE(inner->still_active());
  EXPECT_FALSE(other.still_active());
}

TEST(Finalize, IsMadeAndCancelledByManyThreads) {
  std::atomic<int> ran = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 500; ++k) {
        Finalize called{[&] { ++ran; }, k};
        Finalize cancelled{[&] { ran += 1000; }, -k};
        called();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(ran, 2000);
}

// Kept for the rest of the process, as a program would keep it in an object with static storage.
void keep(Words words, const std::string& word, int priority) {
  new Finalize{[words, word]() mutable { words.put(word); }, priority};
}

void make_some(Words words) {
  keep(words, "a10", 10);
  keep(words, "b0", 0);
  keep(words, "c10", 10);
  keep(words, "d-5", -5);
  keep(words, "e20", 20);
  keep(words, "f0", 0);
  const Finalize destroyed{[words]() mutable { words.put("destroyed"); }};
}

TEST_P(FinalizeTest, RunsByPriorityAtTheEndOfAChild) {
  EXPECT_THAT(words_of(make_some), ElementsAre("e20", "c10", "a10", "f0", "b0", "d-5"));
}

TEST_P(FinalizeTest, RunsAfterExitToo) {
  EXPECT_THAT(words_of([](Words words) {
                keep(words, "bye", 0);
                std::exit(3);
              }),
              ElementsAre("bye"));
}

TEST_P(FinalizeTest, RunsAfterAnUncaughtException) {
  test::output_of(STDERR_FILENO, [] {
    EXPECT_THAT(words_of([](Words out) {
                  keep(out, "bye", 0);
                  throw std::runtime_error{"oops"};
                }),
                ElementsAre("bye"));
  });
}

TEST_P(FinalizeTest, RunsNotInAProcessThatIsKilled) {
  EXPECT_THAT(words_of([](Words words) {
                keep(words, "bye", 0);
                ::raise(SIGKILL);
              }),
              ElementsAre());
}

TEST_P(FinalizeTest, RunsNotWithoutAnEnd) {
  EXPECT_THAT(words_of([](Words words) {
                keep(words, "bye", 0);
                ::_exit(0);
              }),
              ElementsAre());
}

TEST_P(FinalizeTest, GoesOnWhenOneFails) {
  const std::string said = test::output_of(STDERR_FILENO, [] {
    EXPECT_THAT(words_of([](Words words) {
                  keep(words, "last", 1);
                  new Finalize{[] { throw std::runtime_error{"cannot close"}; }, 2};
                  keep(words, "first", 3);
                }),
                ElementsAre("first", "last"));
  });
  EXPECT_EQ(test::count_of(said, "cannot close"), 1u);
}

// The grandchild ends only after the finalizer at 0 has run, and before the one at -1 does.
void have_a_child(Words words, Words gate, StartMethod method) {
  new Finalize{[words, gate]() mutable {
    words.put("before");
    gate.put("open");
  }};
  keep(words, "after", -1);
  auto* child = new Process{{.start = method},
                            [](Words out, Words in) {
                              (void)in.get();
                              out.put("grandchild");
                            },
                            words,
                            gate};
  child->start();
}

TEST_P(FinalizeTest, StandsAroundTheEndOfTheChildren) {
  EXPECT_THAT(words_of(have_a_child, Words{}, GetParam()),
              ElementsAre("before", "grandchild", "after"));
}

TEST(FinalizeUnderFork, BelongsToItsMaker) {
  Words words;
  Finalize of_parent{[words]() mutable { words.put("parent's"); }, 100};
  Process child{test::under_fork(), [&] {
                  if (of_parent.still_active()) {
                    std::exit(1);
                  }
                  of_parent();
                  keep(words, "child's", 0);
                }};
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_THAT(words.get_many(10, Deadline::now()), ElementsAre("child's"));
  EXPECT_TRUE(of_parent.still_active());
  of_parent.cancel();
}

TEST(FinalizeAtExit, RunsInTheMainProcess) {
  Words words;
  EXPECT_EQ(test::in_child([&] {
              keep(words, "bye", 0);
              keep(words, "after", -1);
              std::exit(0);
            }),
            test::exited(0));
  EXPECT_THAT(words.get_many(10, Deadline::now()), ElementsAre("bye", "after"));
}

TEST(RegisterAfterFork, RunsInChildrenAndTheirs) {
  Words words;
  EXPECT_EQ(test::in_child([&] {
              register_after_fork([&] { words.put("1"); });
              register_after_fork([&] { words.put("2"); });
              Process child{
                  test::under_fork(), [&] {
                    words.put("child");
                    Process grandchild{test::under_fork(), [&] { words.put("grandchild"); }};
                    grandchild.start();
                  }};
              child.start();
            }),
            test::exited(0));
  EXPECT_THAT(words.get_many(10, Deadline::now()),
              ElementsAre("1", "2", "child", "1", "2", "grandchild"));
}

}  // namespace
}  // namespace mp
