// SPDX-License-Identifier: Apache-2.0
// Starting many, starting in vain, and the process that makes the others.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/codec/types/string.hpp"
#include "mp/codec/types/vector.hpp"
#include "mp/errors/error.hpp"
#include "mp/process/current.hpp"
#include "mp/process/partial.hpp"
#include "mp/process/process.hpp"
#include "mp/queue/queue.hpp"

#include "memory/allocator.hpp"
#include "process/life.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"
#include "support/start_methods.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::do_nothing;
using test::exit_with;
using test::stay;

class StartTest : public test::LifeTest {};
MP_FOR_ALL_START_METHODS(StartTest);

TEST_P(StartTest, ComesInNumbers) {
  Queue<int> pids;
  std::vector<Process> children;
  for (int i = 0; i < 20; ++i) {
    children.emplace_back(
        options(), [](Queue<int> out) { out.put(current_process().pid()); }, pids);
    children.back().start();
  }
  std::vector<int> wanted;
  for (Process& child : children) {
    child.join();
    EXPECT_EQ(child.exitcode(), 0);
    wanted.push_back(child.pid().value());
  }
  EXPECT_THAT(pids.get_many(20), testing::UnorderedElementsAreArray(wanted));
}

TEST_P(StartTest, StartsFromManyThreads) {
  std::atomic<int> right = 0;
  std::vector<std::thread> starters;
  for (int i = 0; i < 4; ++i) {
    starters.emplace_back([&right, i] {
      for (int k = 0; k < 3; ++k) {
        right += exitcode_of(exit_with, 10 * i + k) == 10 * i + k ? 1 : 0;
      }
    });
  }
  for (std::thread& starter : starters) {
    starter.join();
  }
  EXPECT_EQ(right, 12);
}

TEST_P(StartTest, FailsToStartWithTheReason) {
  if (GetParam() == StartMethod::forkserver) {
    EXPECT_EQ(exitcode_of(exit_with, 1), 1);  // the server is there: it is not what fails
    process::Zygote::end_forkserver();
  }
  const auto blocks = memory::heap_use().blocks;
  Queue<int> queue;
  Process child{options(), [](Queue<int>) {}, queue};
  {
    test::Faults faults;
    faults.fail(forks() ? os::Sys::fork : os::Sys::posix_spawn, EAGAIN);
    int refused = 0;
    for (int i = 0; i < 5000; ++i) {  // the table of processes has room for 4096
      try {
        child.start();
      } catch (const StartError&) {
        ++refused;
      }
    }
    EXPECT_EQ(refused, 5000);
    EXPECT_EQ(child.pid(), std::nullopt);
    EXPECT_FALSE(child.is_alive());
  }
  EXPECT_LE(memory::heap_use().blocks, blocks + 8);  // the queue's own
  child.start();                                     // now it can be had
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(ForkServer, IsMadeAgainWhenItWasKilled) {
  const ProcessOptions options{.start = StartMethod::forkserver};
  for (int i = 0; i < 10; ++i) {
    const int server = process::Zygote::forkserver()->pid();
    ::kill(server, SIGKILL);  // and at once, while it is still dying:
    Process child{options, exit_with, 5};
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), 5);
    EXPECT_NE(process::Zygote::forkserver()->pid(), server);
  }
  process::Zygote::end_forkserver();
}

TEST(ForkServer, StartsNothingWithoutADescriptorToSpare) {
  const auto server = process::Zygote::forkserver();
  Queue<int> runs;
  const auto put_one = [](Queue<int> out) { out.put(1); };
  {
    Process child{{.start = StartMethod::forkserver}, put_one, runs};
    test::Faults faults;
    faults.fail(os::Sys::dup, EMFILE);
    EXPECT_THROW(child.start(), StartError);
  }
  Process child{{.start = StartMethod::forkserver}, put_one, runs};
  child.start();
  child.join();
  EXPECT_EQ(runs.qsize(), 1u);
  EXPECT_EQ(process::Zygote::forkserver(), server);
  process::Zygote::end_forkserver();
}

TEST(ForkServer, EndsAlthoughAForkedSiblingLives) {
  process::Zygote::forkserver();
  Process sibling{{.start = StartMethod::fork}, stay};
  sibling.start();
  process::Zygote::end_forkserver();  // returns: the sibling's copy of the channel does not count
  EXPECT_TRUE(sibling.is_alive());
  sibling.kill();
}

TEST(ForkServer, OutlivesACtrlC) {
  const auto server = process::Zygote::forkserver();
  for (const int code : {6, 7}) {  // with the first one it is seen to be settled
    Process child{{.start = StartMethod::forkserver}, exit_with, code};
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), code);
    ::kill(server->pid(), SIGINT);
  }
  EXPECT_TRUE(server->is_alive());
  EXPECT_EQ(process::Zygote::forkserver(), server);
  process::Zygote::end_forkserver();
}

}  // namespace
}  // namespace mp
