// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/queue.hpp"
#include "mp/shared.hpp"
#include "mp/sync.hpp"

#include "os/check.hpp"
#include "support/faults.hpp"

namespace mp {
namespace {

TEST(ForkMap, ReturnsTheResultsInOrderWhateverIsCaptured) {
  const auto words = std::make_unique<std::vector<std::string>>();
  for (int i = 0; i < 20; ++i) {
    words->push_back("word " + std::to_string(i));
  }
  int changed = 0;
  const std::vector<std::string> results = fork_map(20, [&](int i) {
    changed = i;
    return (*words)[static_cast<std::size_t>(i)] + "!";
  });
  ASSERT_EQ(results.size(), 20u);
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i], "word " + std::to_string(i) + "!");
  }
  EXPECT_EQ(changed, 0) << "a child changes its copy only";
}

TEST(ForkMap, RunsEachCallInAProcessOfItsOwn) {
  std::vector<int> pids = fork_map(6, [](int) { return ::getpid(); });
  pids.push_back(::getpid());
  std::sort(pids.begin(), pids.end());
  EXPECT_EQ(std::unique(pids.begin(), pids.end()), pids.end());
}

TEST(ForkMap, MakesNoCallForNothing) {
  EXPECT_TRUE(fork_map(0, [](int) { return 1; }).empty());
  EXPECT_THROW(fork_map(-1, [](int) { return 1; }), UsageError);
  EXPECT_THROW(fork_map(1, [](int) { return 1; }, {.processes = -1}), UsageError);
}

TEST(ForkMap, ReturnsNothingForCallsWithoutAResult) {
  RawArray<int> seen(5);
  fork_map(5, [&](int i) { seen[static_cast<std::size_t>(i)] = i + 1; });
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(seen[i], static_cast<int>(i) + 1);
  }
}

TEST(ForkMap, CarriesLargeResultsAndSharedObjects) {
  const auto large = fork_map(3, [](int i) { return std::vector<int>(1 << 18, i); });
  EXPECT_EQ(large[2].size(), std::size_t{1} << 18);
  EXPECT_EQ(large[2].back(), 2);
  auto queues = fork_map(2, [](int i) {
    Queue<int> made;
    made.put(i);
    return made;
  });
  EXPECT_EQ(queues[0].get(), 0);
  EXPECT_EQ(queues[1].get(), 1);
}

// Each waits until as many as may run at once are there: with one fewer this would not end.
TEST(ForkMap, RunsAsManyAtOnceAsItMayAndNoMore) {
  const RawValue<int> inside{0};
  const RawValue<int> most{0};
  Barrier three{3};
  fork_map(6,
           [&](int) {
             const int now = __atomic_add_fetch(&*inside, 1, __ATOMIC_SEQ_CST);
             if (now > *most) {
               *most = now;
             }
             three.wait();
             __atomic_sub_fetch(&*inside, 1, __ATOMIC_SEQ_CST);
             three.wait();
           },
           {.processes = 3});
  EXPECT_EQ(*most, 3);
}

TEST(ForkMap, ThrowsTheFirstExceptionAfterAllCallsWereMade) {
  RawArray<int> ran(6);
  try {
    fork_map(6, [&](int i) {
      ran[static_cast<std::size_t>(i)] = 1;
      if (i == 4) {
        throw std::runtime_error{"four"};
      }
      if (i == 2) {
        throw std::out_of_range{"two"};
      }
      return i;
    });
    FAIL() << "nothing was thrown";
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "two");
  }
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(ran[i], 1);
  }
}

TEST(ForkMap, TellsOfAChildThatDied) {
  RawArray<int> ran(4);
  try {
    fork_map(4, [&](int i) {
      ran[static_cast<std::size_t>(i)] = 1;
      if (i == 1) {
        std::raise(SIGKILL);
      }
      return i;
    });
    FAIL() << "nothing was thrown";
  } catch (const WorkerDied& error) {
    EXPECT_EQ(error.signal(), SIGKILL);
    EXPECT_NE(std::string{error.what()}.find("call 1"), std::string::npos) << error.what();
  }
  EXPECT_EQ(ran[3], 1);
  try {
    fork_map(1, [](int) { std::_Exit(7); });
    FAIL() << "nothing was thrown";
  } catch (const WorkerDied& error) {
    EXPECT_EQ(error.exitcode(), 7);
  }
}

TEST(ForkMap, NestsInItself) {
  const auto sums = fork_map(3, [](int i) {
    const auto inner = fork_map(3, [i](int j) { return 10 * i + j; });
    return inner[0] + inner[1] + inner[2];
  });
  EXPECT_EQ(sums, (std::vector<int>{3, 33, 63}));
}

TEST(ForkMap, SaysWhenNoChildCanBeMade) {
  test::Faults faults;
  faults.fail(os::Sys::fork, EAGAIN);
  EXPECT_THROW(fork_map(2, [](int i) { return i; }), StartError);
}

// The first fork succeeds, the second is refused as long as the first child lives.
int refuse_second_fork(os::Sys sys) noexcept {
  static int forks = 0;
  return sys == os::Sys::fork && ++forks == 2 ? EAGAIN : 0;
}
TEST(ForkMap, GoesOnWithFewerChildrenWhenTheSystemHasRoomForNoMore) {
  os::set_fault_hook(&refuse_second_fork);
  const auto results = fork_map(3, [](int i) { return i; }, {.processes = 2});
  os::set_fault_hook(nullptr);
  EXPECT_EQ(results, (std::vector<int>{0, 1, 2}));
}

}  // namespace
}  // namespace mp
