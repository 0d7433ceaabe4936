// SPDX-License-Identifier: Apache-2.0
#include "mp/process/process.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include "mp/codec/types/memory.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/codec/types/vector.hpp"
#include "mp/connection/pipe.hpp"
#include "mp/errors/error.hpp"
#include "mp/process/current.hpp"
#include "mp/process/partial.hpp"
#include "mp/queue/queue.hpp"
#include "mp/shared/value.hpp"
#include "mp/sync/lock.hpp"

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
using testing::HasSubstr;

using test::do_nothing;
using test::exit_with;
using test::stay;

void raise_signal(int number) {
  ::raise(number);
}
void fail(const std::string& text) {
  throw std::out_of_range{text};
}
void fail_oddly() {
  throw 42;
}

class ProcessTest : public test::LifeTest {};
MP_FOR_ALL_START_METHODS(ProcessTest);

TEST_P(ProcessTest, GoesFromUnbornToDead) {
  Process child{options(), stay};
  EXPECT_EQ(child.pid(), std::nullopt);
  EXPECT_EQ(child.exitcode(), std::nullopt);
  EXPECT_FALSE(child.is_alive());
  EXPECT_THROW(child.join(), UsageError);
  EXPECT_THROW((void)child.sentinel(), UsageError);
  EXPECT_THROW(child.kill(), UsageError);

  child.start();
  ASSERT_TRUE(child.pid().has_value());
  EXPECT_EQ(test::view_process(*child.pid()).parent, ::getpid());
  EXPECT_TRUE(child.is_alive());
  EXPECT_EQ(child.exitcode(), std::nullopt);

  child.terminate();
  child.join();
  EXPECT_FALSE(child.is_alive());
  EXPECT_EQ(child.exitcode(), -SIGTERM);
  EXPECT_TRUE(child.pid().has_value());
  child.join();  // again
  child.kill();  // nothing to do
  child.terminate();
  EXPECT_EQ(child.exitcode(), -SIGTERM);
}

TEST_P(ProcessTest, EndsWithTheCodeOfItsEnd) {
  EXPECT_EQ(exitcode_of(do_nothing), 0);
  EXPECT_EQ(exitcode_of(exit_with, 0), 0);
  EXPECT_EQ(exitcode_of(exit_with, 7), 7);
  EXPECT_EQ(exitcode_of(exit_with, 255), 255);
  EXPECT_EQ(exitcode_of(exit_with, 256 + 3), 3);
  EXPECT_EQ(exitcode_of([] { ::_exit(9); }), 9);
  EXPECT_EQ(exitcode_of(raise_signal, SIGUSR1), -SIGUSR1);
  EXPECT_EQ(exitcode_of(raise_signal, SIGKILL), -SIGKILL);
}

TEST_P(ProcessTest, EndsByTheSignalItIsSent) {
  for (const int number : {SIGTERM, SIGKILL, SIGINT}) {
    Process child{options(), stay};
    child.start();
    number == SIGTERM ? child.terminate() : number == SIGKILL ? child.kill() : child.interrupt();
    child.join();
    EXPECT_EQ(child.exitcode(), -number);
  }
}

TEST_P(ProcessTest, SaysWhatAnUncaughtExceptionWas) {
  const std::string said = test::output_of(
      STDERR_FILENO, [] { EXPECT_EQ(exitcode_of(fail, std::string{"no such page"}), 1); });
  EXPECT_THAT(said, HasSubstr("Process Process-"));
  EXPECT_THAT(said, HasSubstr("std::out_of_range"));
  EXPECT_EQ(test::count_of(said, "no such page"), 1u);
  // Every frame has its line, and the innermost is the function that threw.
  const std::size_t stack = said.find("Stack of the throw, innermost first:\n0x");
  ASSERT_NE(stack, std::string::npos) << said;
  const std::size_t innermost = said.find("fail(", stack);
  EXPECT_LT(innermost, said.find("\n0x", stack + 40)) << said;
  EXPECT_EQ(said.find("report_uncaught", stack), std::string::npos) << said;
  EXPECT_THAT(test::output_of(STDERR_FILENO, [] { EXPECT_EQ(exitcode_of(fail_oddly), 1); }),
              HasSubstr("of type int"));
}

TEST_P(ProcessTest, IsWaitedForAsLongAsOneLikes) {
  Process child{options(), stay};
  child.start();
  EXPECT_FALSE(child.join(0s));
  EXPECT_FALSE(child.join(-1s));
  EXPECT_FALSE(child.join(20ms));
  EXPECT_TRUE(child.is_alive());
  child.kill();
  EXPECT_TRUE(child.join(Deadline::never()));
  EXPECT_TRUE(child.join(0s));
  EXPECT_TRUE(child.join(-1s));
}

TEST_P(ProcessTest, IsWaitedForByManyThreads) {
  Process child{options(), stay};
  child.start();
  std::atomic<int> seen = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] {
      child.join();
      seen += child.exitcode() == -SIGKILL ? 1 : 0;
    });
  }
  child.kill();
  for (std::thread& waiter : waiters) {
    waiter.join();
  }
  EXPECT_EQ(seen, 4);
}

TEST_P(ProcessTest, HasASentinelThatIsReadableAtItsDeath) {
  Process child{options(), stay};
  child.start();
  pollfd entry{child.sentinel().fileno(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 0);
  child.kill();
  EXPECT_EQ(::poll(&entry, 1, -1), 1);
  EXPECT_EQ(child.exitcode(), -SIGKILL);
  EXPECT_EQ(::poll(&entry, 1, 0), 1);  // also when reaped
}

TEST_P(ProcessTest, IsClosedWhenItHasEnded) {
  Process child{options(), stay};
  child.start();
  EXPECT_THROW(child.close(), UsageError);
  EXPECT_TRUE(child.is_alive());
  child.kill();
  child.join();
  child.close();
  EXPECT_THROW(child.start(), UsageError);
  EXPECT_THROW(child.run(), UsageError);
  EXPECT_THROW(child.join(), UsageError);
  EXPECT_THROW(child.join(0s), UsageError);
  EXPECT_THROW(child.terminate(), UsageError);
  EXPECT_THROW(child.kill(), UsageError);
  EXPECT_THROW(child.interrupt(), UsageError);
  EXPECT_THROW((void)child.is_alive(), UsageError);
  EXPECT_THROW((void)child.exitcode(), UsageError);
  EXPECT_THROW((void)child.pid(), UsageError);
  EXPECT_THROW((void)child.sentinel(), UsageError);
  EXPECT_THROW((void)child.name(), UsageError);
  EXPECT_THROW((void)child.daemon(), UsageError);
  EXPECT_THROW((void)child.authkey(), UsageError);
  EXPECT_THROW(child.set_name("x"), UsageError);
  EXPECT_THROW(child.set_daemon(true), UsageError);
  EXPECT_THROW(child.set_authkey("x"), UsageError);
  EXPECT_THROW(child.close(), UsageError);
}

TEST_P(ProcessTest, IsClosedBeforeItsStartToo) {
  Process child{options(), do_nothing};
  child.close();
  EXPECT_THROW(child.start(), UsageError);
}

TEST_P(ProcessTest, StartsOnce) {
  Process child{options(), do_nothing};
  child.start();
  EXPECT_THROW(child.start(), UsageError);
  EXPECT_THROW(child.set_name("late"), UsageError);
  EXPECT_THROW(child.set_daemon(true), UsageError);
  EXPECT_THROW(child.set_authkey("late"), UsageError);
  child.join();
  EXPECT_THROW(child.start(), UsageError);
}

TEST_P(ProcessTest, IsStartedByItsMakerOnly) {
  Process child{options(), do_nothing};
  Process running{options(), stay};
  running.start();
  EXPECT_EQ(test::in_child([&] {
              EXPECT_THROW(child.start(), WrongProcess);
              EXPECT_THROW(running.join(), WrongProcess);
              EXPECT_THROW((void)running.is_alive(), WrongProcess);
              EXPECT_THROW((void)running.exitcode(), WrongProcess);
              running.~Process();  // does nothing
              new (&running) Process{options(), do_nothing};
            }),
            test::exited(0));
  EXPECT_TRUE(running.is_alive());
  running.kill();
}

TEST_P(ProcessTest, IsJoinedByItsDestructor) {
  RawValue<int> done;
  {
    Process child{options(), [](RawValue<int> flag) { *flag = 1; }, done};
    child.start();
  }
  EXPECT_EQ(*done, 1);
}

TEST_P(ProcessTest, IsTerminatedByItsDestructorWhenADaemon) {
  ProcessOptions chosen = options();
  chosen.daemon = true;
  Process child{chosen, stay};
  child.start();
  const ProcessHandle handle = child;
  { const Process last{std::move(child)}; }
  EXPECT_EQ(handle.exitcode(), -SIGTERM);
}

TEST_P(ProcessTest, MovesAndIsReplaced) {
  Process first{options(), exit_with, 3};
  first.start();
  const ProcessHandle old = first;
  Process second{options(), exit_with, 4};
  second.start();
  first = std::move(second);
  EXPECT_EQ(old.exitcode(), 3);  // joined by the assignment
  first.join();
  EXPECT_EQ(first.exitcode(), 4);
}

// Options and names.

struct Told {
  std::string name;
  bool daemon = false;
  int pid = 0;
  std::string parent;
  int parent_pid = 0;
  std::string authkey;
  bool parent_lives = false;
};
void tell(Queue<Told> out) {
  const CurrentProcess self = current_process();
  const ProcessHandle parent = parent_process().value();
  out.put({.name = self.name(),
           .daemon = self.daemon(),
           .pid = self.pid(),
           .parent = parent.name(),
           .parent_pid = parent.pid().value(),
           .authkey = self.authkey(),
           .parent_lives = parent.is_alive() && !parent.join(Deadline::now())});
}

TEST_P(ProcessTest, KnowsItselfAndItsParent) {
  Queue<Told> answers;
  Process child{options("worker bee"), tell, answers};
  EXPECT_EQ(child.name(), "worker bee");
  child.set_name("queen");
  child.set_daemon(true);
  child.set_authkey("sesame");
  EXPECT_EQ(child.name(), "queen");
  EXPECT_TRUE(child.daemon());
  EXPECT_EQ(child.authkey(), "sesame");
  child.start();
  const Told told = answers.get();
  EXPECT_EQ(told.name, "queen");
  EXPECT_TRUE(told.daemon);
  EXPECT_EQ(told.pid, child.pid());
  EXPECT_EQ(told.parent, "MainProcess");
  EXPECT_EQ(told.parent_pid, ::getpid());
  EXPECT_EQ(told.authkey, "sesame");
  EXPECT_TRUE(told.parent_lives);
  child.join();
  EXPECT_EQ(child.name(), "queen");
}

TEST_P(ProcessTest, InheritsTheKeyOfItsMaker) {
  Queue<Told> answers;
  Process child{options(), tell, answers};
  EXPECT_EQ(child.authkey(), current_process().authkey());
  EXPECT_EQ(child.authkey().size(), 32u);
  EXPECT_FALSE(child.daemon());
  child.start();
  const Told told = answers.get();
  EXPECT_EQ(told.authkey, current_process().authkey());
  EXPECT_FALSE(told.daemon);
}

void nest(Queue<std::string> out, int levels, StartMethod method) {
  out.put(current_process().name());
  if (levels > 0) {
    std::vector<Process> children;
    for (int i = 0; i < 2; ++i) {
      children.emplace_back(ProcessOptions{.start = method}, nest, out, levels - 1, method);
      children.back().start();
    }
  }
  process::Zygote::end_forkserver();
}

TEST_P(ProcessTest, IsNumberedBelowItsParent) {
  Queue<std::string> names;
  Process first{options(), nest, names, 2, GetParam()};
  const std::string name = first.name();
  ASSERT_THAT(name, testing::StartsWith("Process-"));
  EXPECT_EQ((Process{options(), do_nothing}.name()),
            "Process-" + std::to_string(std::stoi(name.substr(8)) + 1));
  first.start();
  first.join();
  EXPECT_EQ(first.exitcode(), 0);
  EXPECT_THAT(names.get_many(100, Deadline::now()),
              testing::UnorderedElementsAre(name, name + ":1", name + ":2", name + ":1:1",
                                            name + ":1:2", name + ":2:1", name + ":2:2"));
}

void try_to_have_a_child(Queue<std::string> out, StartMethod method) {
  Process child{{.start = method}, do_nothing};
  try {
    child.start();
    out.put("started");
  } catch (const UsageError& error) {
    out.put(error.what());
  }
}

TEST_P(ProcessTest, HasNoChildrenWhenADaemon) {
  Queue<std::string> answers;
  ProcessOptions chosen = options();
  chosen.daemon = true;
  Process child{chosen, try_to_have_a_child, answers, GetParam()};
  child.start();
  EXPECT_THAT(answers.get(), HasSubstr("daemonic"));
  child.join();
}

// What it runs.

class Subclass : public Process {
 public:
  Subclass(ProcessOptions options, int code) : Process{std::move(options)}, code_{code} {}
  void run() override { std::exit(code_); }

 private:
  int code_;
};

TEST_P(ProcessTest, RunsWhatADerivedClassDoes) {
  Subclass child{options(), 11};
  if (forks()) {
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), 11);
  } else {
    EXPECT_THROW(child.start(), UsageError);
    EXPECT_EQ(child.pid(), std::nullopt);
  }
}

TEST_P(ProcessTest, RunsNothingWithoutATarget) {
  if (forks()) {
    Process child{options()};
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), 0);
  }
}

TEST_P(ProcessTest, TakesCapturesUnderForkOnly) {
  const int code = 12;
  Process child{options(), [&code] { std::exit(code); }};
  if (forks()) {
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), 12);
  } else {
    try {
      child.start();
      ADD_FAILURE() << "it started";
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("mp::partial"));
    }
  }
}

TEST_P(ProcessTest, RunsWhatThePartialBinds) {
  EXPECT_EQ(exitcode_of(partial(exit_with, 13)), 13);
}

TEST_P(ProcessTest, TakesArgumentsThatOnlyMove) {
  Process child{options(), [](std::unique_ptr<int> code) { std::exit(*code); },
                std::make_unique<int>(14)};
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 14);
}

int sum_modulo(const std::vector<int>& numbers, const std::string& text) {
  std::exit(
      (std::accumulate(numbers.begin(), numbers.end(), 0) + static_cast<int>(text.size() % 100)) %
      100);
}

TEST_P(ProcessTest, TakesLargeArguments) {
  const std::vector<int> numbers(2'000'000, 3);
  EXPECT_EQ(exitcode_of(sum_modulo, numbers, std::string(5'000'042, 'x')), 42);
}

void use_handles(Lock lock, Queue<int> queue, Connection connection, Value<int> value) {
  const int first = queue.get();
  {
    const std::scoped_lock hold{lock};
    value.set_value(value.value() + first);
  }
  connection.send(std::string{"done by "} + current_process().name());
}

TEST_P(ProcessTest, TakesHandles) {
  Lock lock;
  Queue<int> queue;
  auto [ours, its] = Pipe();
  Value<int> value{40};
  Process child{options("helper"), use_handles, lock, queue, its, value};
  child.start();
  queue.put(2);
  EXPECT_EQ(ours.recv<std::string>(), "done by helper");
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_EQ(value.value(), 42);
}

TEST_P(ProcessTest, KeepsObjectsAliveUntilTheChildHasThem) {
  Queue<int> answers;
  for (int round = 0; round < 5; ++round) {
    Process child{options(), [](Queue<int> in, Queue<int> out) { out.put(in.get() + 1); },
                  [&] {
                    Queue<int> dropped;
                    dropped.put(round);
                    return dropped;
                  }(),
                  answers};
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), 0);
    EXPECT_EQ(answers.get(), round + 1);
  }
}

TEST_P(ProcessTest, DropsItsArgumentsOnceTheChildHasThem) {
  const auto counted = std::make_shared<int>(0);
  Process child{options(), [](const std::shared_ptr<int>&) { stay(); }, counted};
  EXPECT_EQ(counted.use_count(), 2);
  child.start();
  EXPECT_EQ(counted.use_count(), 1);
  child.kill();
}

TEST_P(ProcessTest, LeavesNoMemoryBehind) {
  exitcode_of(do_nothing);
  const auto before = memory::heap_use().blocks;
  {
    Queue<int> queue;
    Process killed{options(), [](Queue<int> in) { (void)in.get(); }, queue};
    killed.start();
    killed.kill();
    killed.join();
    exitcode_of([](const std::string&) {}, std::string(100'000, 'x'));
  }
  process::Zygote::end_forkserver();
  EXPECT_LE(memory::heap_use().blocks, before);
}

// A callable with captures is kept to the child's end: what it holds cannot be named to the child.
TEST(ProcessUnderFork, DropsCapturesAtItsEnd) {
  const auto counted = std::make_shared<int>(0);
  test::Signal go;
  Process child{test::under_fork(), [counted, &go] { go.await(); }};
  child.start();
  EXPECT_EQ(counted.use_count(), 2);
  go.raise();
  child.join();
  EXPECT_EQ(counted.use_count(), 1);
}

// An argument whose destructor asks its own process may do so.
struct Asking {
  Process* const* process;
  std::shared_ptr<std::string> answer;
  Asking(Process* const* who, std::shared_ptr<std::string> where)
      : process{who}, answer{std::move(where)} {}
  Asking(Asking&&) = default;
  ~Asking() {
    if (answer != nullptr && *process != nullptr) {
      *answer = (*process)->name();
    }
  }
};

TEST(ProcessUnderFork, DropsArgumentsWithoutHoldingItsLock) {
  const auto answer = std::make_shared<std::string>();
  Process* known = nullptr;
  Process child{test::under_fork("asked"), [](const Asking&) {}, Asking{&known, answer}};
  known = &child;
  child.start();
  child.join();
  EXPECT_EQ(*answer, "asked");
}

}  // namespace
}  // namespace mp
