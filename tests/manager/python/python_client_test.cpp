// SPDX-License-Identifier: Apache-2.0
// Clients of CPython's (client.py) against a server of ours.
#include <cmath>
#include <csignal>
#include <cstdio>
#include <gtest/gtest.h>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "mp/codec.hpp"
#include "mp/errors.hpp"
#include "mp/manager.hpp"
#include "mp/queue.hpp"

#include "support/eventually.hpp"
#include "support/program.hpp"
#include "support/scratch_dir.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Program;

struct Job {
  int id;
  std::string text;
};
struct Point {
  int x;
  double y;
};

class Counter {
 public:
  explicit Counter(int start) : sum_{start} {
    if (start < 0) {
      throw std::invalid_argument("a counter begins at nothing");
    }
  }
  int add(int amount) { return sum_ += amount; }
  std::string name() const { return "counter"; }
  void fail(const std::string& why) { throw std::domain_error(why); }
  std::vector<int> echo(const std::vector<int>& values) { return values; }
  Point point(Point p) { return {p.x * 2, p.y * 2}; }
  int get(int index) { return std::vector<int>{1}.at(static_cast<std::size_t>(index)); }

 private:
  int sum_;
};

// An interpreter that runs one function of client.py.
Program script(const std::string& python, const std::string& where, const std::string& function) {
  return Program{{python, MP_PYTHON_CLIENT, where, function}};
}

class PythonClients : public testing::TestWithParam<std::string> {
 protected:
  explicit PythonClients(bool over_tcp = false)
      : manager{{.address = over_tcp ? tcp("127.0.0.1", 0) : unix_socket(scratch_ / "socket"),
                 .authkey = "secret"}} {
    manager.register_type<Counter, int>("Counter")
        .method("add", &Counter::add)
        .method("name", &Counter::name)
        .method("fail", &Counter::fail)
        .method("echo", &Counter::echo)
        .method("point", &Counter::point)
        .method("get", &Counter::get);
    register_functions();
    manager.register_object<EventProxy>("event");
    manager.register_object<DictProxy<std::string, int>>("scores");
    manager.register_object<JoinableQueueProxy<Job>>("jobs");
    manager.register_object<QueueProxy<std::map<std::string, std::vector<int>>>>("results");
    manager.register_object<NamespaceProxy>("board");
    manager.register_object<LockProxy>("lock");
    manager.register_object<BoundedSemaphoreProxy>("permits");
    manager.register_shared("queue_of_the_tree", tree_queue);
    manager.start();
  }

  // What pools call.
  void register_functions() {
    manager.register_function("square", [](int x) {
      if (x < 0) {
        throw std::invalid_argument("a negative number");
      }
      return x * x;
    });
    manager.register_function("math.sqrt", static_cast<double (*)(double)>(&std::sqrt));
    manager.register_function("joined",
                              [](const std::string& a, const std::string& b) { return a + b; });
    manager.register_function("nothing", [] {});
    manager.register_function("lengths", [](const std::vector<std::vector<int>>& lists) {
      std::map<std::string, int> lengths;
      for (std::size_t i = 0; i != lists.size(); ++i) {
        lengths[std::to_string(i)] = static_cast<int>(lists[i].size());
      }
      return lengths;
    });
    manager.register_function("wait_for", [](const EventProxy& event) { return event.wait(); });
    manager.register_function("die", [] { ::raise(SIGKILL); });
  }
  [[nodiscard]] std::string where() const {
    const Address& address = manager.address();
    return address.kind() == Address::Kind::tcp ? address.to_string() : address.path();
  }
  void run(const std::string& function) const {
    Program client = script(GetParam(), where(), function);
    EXPECT_EQ(client.child().wait(60s), test::exited(0)) << function;
  }

  test::ScratchDir scratch_;
  Queue<int> tree_queue;
  SyncManager manager;
};

class PythonClientsOverTcp : public PythonClients {
 protected:
  PythonClientsOverTcp() : PythonClients{true} {}
};

std::string name_of(const testing::TestParamInfo<std::string>& python) {
  return "number" + std::to_string(python.index);
}
INSTANTIATE_TEST_SUITE_P(Pythons, PythonClients, testing::ValuesIn(test::pythons()), name_of);
INSTANTIATE_TEST_SUITE_P(Pythons, PythonClientsOverTcp, testing::ValuesIn(test::pythons()),
                         name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PythonClients);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PythonClientsOverTcp);

TEST(Python, IsThere) {
  if (test::pythons().empty()) {
    GTEST_SKIP() << "no /usr/bin/python3: nothing of what CPython's peers do was tested";
  }
}

TEST_P(PythonClients, UseDicts) {
  run("test_dict");
}
TEST_P(PythonClients, UseLists) {
  run("test_list");
}
TEST_P(PythonClients, UseSets) {
  run("test_set");
}
TEST_P(PythonClients, UseNamespaces) {
  run("test_namespace");
}
TEST_P(PythonClients, UseValuesAndArrays) {
  run("test_value_and_array");
}
TEST_P(PythonClients, UseQueues) {
  run("test_queues");
}
TEST_P(PythonClients, UseEvents) {
  run("test_event");
}
TEST_P(PythonClients, UseLocks) {
  run("test_locks");
}
TEST_P(PythonClients, UseSemaphores) {
  run("test_semaphores");
}
TEST_P(PythonClients, UseConditions) {
  run("test_condition");
}
TEST_P(PythonClients, UseBarriers) {
  run("test_barrier");
}
TEST_P(PythonClients, NestProxies) {
  run("test_nested_proxies");
}
TEST_P(PythonClients, CountReferences) {
  run("test_references");
}
TEST_P(PythonClients, HandProxiesToProcesses) {
  run("test_processes");
}
TEST_P(PythonClients, MustHaveTheKey) {
  run("test_wrong_key");
}
TEST_P(PythonClients, CallClassesOfCpp) {
  run("test_registered_class");
}
TEST_P(PythonClients, HavePoolsCallFunctionsOfCpp) {
  run("test_pool");
}
TEST_P(PythonClientsOverTcp, UseTheSameObjects) {
  for (const char* each : {"test_dict", "test_list", "test_queues", "test_locks", "test_condition",
                           "test_barrier", "test_nested_proxies", "test_pool", "test_references",
                           "test_wrong_key", "test_registered_class"}) {
    run(each);
  }
}

TEST_P(PythonClients, MakeSharedMemory) {
  SharedMemoryManager memory{{.address = unix_socket(scratch_ / "memory"), .authkey = "secret"}};
  memory.start();
  Program client = script(GetParam(), memory.address().path(), "test_shared_memory");
  EXPECT_EQ(client.child().wait(60s), test::exited(0));
  EXPECT_EQ(memory.segments().size(), 1U);  // and the tracker of that Python has removed it
}

TEST_P(PythonClients, ShareTypedObjectsWithCpp) {
  const auto scores = manager.get<DictProxy<std::string, int>>("scores");
  const auto jobs = manager.get<JoinableQueueProxy<Job>>("jobs");
  const auto board = manager.get<NamespaceProxy>("board");
  scores.set("anna", 7);
  jobs.put({1, "one"});
  board.set("cpp", std::string{"text"});
  Program client = script(GetParam(), where(), "test_typed_objects");
  EXPECT_EQ(tree_queue.get(Deadline{30s}), 41);
  tree_queue.put(42);
  ASSERT_EQ(client.child().wait(60s), test::exited(0));

  EXPECT_EQ(scores.at("ben"), 8);
  EXPECT_EQ(scores.size(), 1U);
  const Job job = jobs.get(Deadline{30s});
  EXPECT_EQ(job.id, 2);
  EXPECT_EQ(job.text, "two");
  const auto results = manager.get<QueueProxy<std::map<std::string, std::vector<int>>>>("results");
  EXPECT_EQ(results.get().at("python"), (std::vector{1, 2}));
  EXPECT_EQ(board.get<double>("python"), 3.5);
  EXPECT_EQ(board.get<pickle::Value>("python"), pickle::Value{3.5});
  EXPECT_THROW(static_cast<void>(board.get<std::string>("python")), TypeMismatch);
}

TEST_P(PythonClients, EndTheServer) {
  run("test_shutdown");
  EXPECT_TRUE(manager.join(Deadline{30s}));
}

// What a killed client held is given back, at once.
void expect_given_back(SyncManager& manager, const std::string& python, const std::string& where) {
  const auto lock = manager.get<LockProxy>("lock");
  const auto permits = manager.get<BoundedSemaphoreProxy>("permits");
  const auto jobs = manager.get<JoinableQueueProxy<Job>>("jobs");
  jobs.put({1, "one"});
  const std::uint64_t before = manager.number_of_objects();
  Program client = script(python, where, "hold_everything");
  ASSERT_EQ(client.line(), "holding 1");
  EXPECT_FALSE(lock.try_lock());
  EXPECT_FALSE(permits.try_acquire());
  client.child().kill();
  EXPECT_THROW(static_cast<void>(lock.acquire(Deadline{30s})), OwnerDied);
  EXPECT_TRUE(permits.acquire(Deadline{30s}));
  EXPECT_EQ(jobs.get(Deadline{30s}).id, 1);
  jobs.task_done();
  EXPECT_EVENTUALLY(manager.number_of_objects() == before);
  lock.recover();
  lock.release();

  // One that waits takes nothing with it.
  lock.acquire();
  Program waiter = script(python, where, "wait_for_everything");
  ASSERT_EQ(waiter.line(), "waiting");
  waiter.child().kill();
  lock.release();
  EXPECT_TRUE(test::eventually([&] {
    try {
      return lock.acquire(Deadline::now());
    } catch (const OwnerDied&) {
      lock.recover();
      return true;
    }
  }));
  jobs.put({2, "two"});
  EXPECT_EQ(jobs.get(Deadline{30s}).id, 2);
}

TEST_P(PythonClients, GiveBackWhatTheyHeldWhenTheyAreKilled) {
  expect_given_back(manager, GetParam(), where());
}

TEST_P(PythonClientsOverTcp, GiveBackWhatTheyHeldWhenTheyAreKilled) {
  expect_given_back(manager, GetParam(), where());
}

}  // namespace
}  // namespace mp
