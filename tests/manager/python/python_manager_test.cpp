// SPDX-License-Identifier: Apache-2.0
// Against a SyncManager of the machine's Python.
#include "mp/manager/python_manager.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mp/codec.hpp"
#include "mp/errors.hpp"

#include "support/child.hpp"
#include "support/program.hpp"
#include "support/scratch_dir.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using pickle::Value;
using test::Child;
using test::Program;
using test::pythons;

constexpr const char* kServer = R"py(
import sys, os
from multiprocessing.managers import SyncManager
class Thing:
    def fail(self, kind, *args):
        raise {'Key': KeyError, 'Value': ValueError, 'OS': OSError, 'Zero': ZeroDivisionError}[kind](*args)
    def echo(self, *args, **kwds):
        return args, sorted(kwds.items())
    def unsendable(self):
        return lambda: 1
    def whole(self):
        return [None, True, 2**70, -1.5, 'h\u00e9', b'\xff', bytearray(b'a'), (1,), {2}, {'k': [3]}]
class Manager(SyncManager):
    pass
Manager.register('Thing', Thing)
address = ('127.0.0.1', 0) if sys.argv[1] == 'tcp' else sys.argv[1]
server = Manager(address, b'secret').get_server()
print(server.address[1] if sys.argv[1] == 'tcp' else 0, flush=True)
server.serve_forever()
)py";

class PythonServer : public testing::TestWithParam<std::string> {
 protected:
  explicit PythonServer(bool over_tcp = false) { start(over_tcp); }
  ~PythonServer() override {
    manager_.reset();
    try {
      PythonManager{address_, {.authkey = "secret"}}.shutdown();
      EXPECT_EQ(server_->child().wait(), test::exited(0));
    } catch (const Error&) {
      server_->child().send_signal(SIGKILL);
    }
  }

  void start(bool over_tcp) {
    const std::string path = (scratch_.path() / "socket").string();
    const std::string where = over_tcp ? "tcp" : path;
    server_.emplace(std::vector<std::string>{GetParam(), "-c", kServer, where});
    const std::string port = server_->line();
    address_ = over_tcp ? tcp("127.0.0.1", std::stoi(port)) : unix_socket(path);
    manager_.emplace(address_, ClientOptions{.authkey = "secret"});
  }
  PythonManager& manager() { return *manager_; }

  test::ScratchDir scratch_;
  std::optional<Program> server_;
  Address address_;
  std::optional<PythonManager> manager_;
};

class PythonServerOverTcp : public PythonServer {
 protected:
  PythonServerOverTcp() : PythonServer{true} {}
};

std::string name_of(const testing::TestParamInfo<std::string>& python) {
  return "number" + std::to_string(python.index);
}
INSTANTIATE_TEST_SUITE_P(Pythons, PythonServer, testing::ValuesIn(pythons()), name_of);
INSTANTIATE_TEST_SUITE_P(Pythons, PythonServerOverTcp, testing::ValuesIn(pythons()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PythonServer);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PythonServerOverTcp);

TEST_P(PythonServer, ServesADict) {
  const PythonProxy dict = manager().create("dict", std::map<std::string, int>{{"a", 1}});
  dict.call("__setitem__", "b", 2);
  EXPECT_EQ(dict.call<int>("__getitem__", "b"), 2);
  EXPECT_EQ(dict.call<std::size_t>("__len__"), 2U);
  EXPECT_TRUE(dict.call<bool>("__contains__", "a"));
  EXPECT_EQ(dict.call<std::vector<std::string>>("keys"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ((dict.call<std::vector<std::pair<std::string, int>>>("items")),
            (std::vector<std::pair<std::string, int>>{{"a", 1}, {"b", 2}}));
  EXPECT_EQ((dict.copy<std::map<std::string, int>>()),
            (std::map<std::string, int>{{"a", 1}, {"b", 2}}));
  EXPECT_EQ(dict.iterate<std::string>(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(dict.str(), "{'a': 1, 'b': 2}");
  EXPECT_EQ(dict.call<int>("pop", "a"), 1);
  EXPECT_EQ(dict.call<Value>("get", "a"), Value{});
  EXPECT_THROW(dict.call("__getitem__", "a"), std::out_of_range);
}

TEST_P(PythonServer, ServesAList) {
  const PythonProxy list = manager().create("list", std::vector{3, 1, 2});
  list.call("append", 5);
  list.call("sort");
  EXPECT_EQ(list.iterate<int>(), (std::vector{1, 2, 3, 5}));
  EXPECT_EQ(list.call<int>("__getitem__", -1), 5);
  EXPECT_THROW(list.call("__getitem__", 9), std::out_of_range);
  EXPECT_THROW(list.call("remove", 9), std::invalid_argument);
  EXPECT_EQ(list.copy<std::vector<int>>(), (std::vector{1, 2, 3, 5}));
}

TEST_P(PythonServer, ServesASetIfItHasOne) {
  try {
    const PythonProxy set = manager().create("set", std::set<int>{1, 2});
    set.call("add", 3);
    EXPECT_EQ(set.copy<std::set<int>>(), (std::set<int>{1, 2, 3}));
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type_name(), "KeyError") << error.what();
  }
}

TEST_P(PythonServer, ServesANamespace) {
  const PythonProxy names = manager().create("Namespace");
  names.set_attribute("x", 10);
  EXPECT_EQ(names.attribute<int>("x"), 10);
  names.call("__delattr__", "x");
  try {
    static_cast<void>(names.attribute<int>("x"));
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type_name(), "AttributeError");
  }
}

TEST_P(PythonServer, ServesQueues) {
  for (const char* type : {"Queue", "JoinableQueue"}) {
    const PythonProxy queue = manager().create(type, 1);
    queue.call("put", "job");
    EXPECT_THROW(queue.call("put_nowait", "more"), Full);
    EXPECT_EQ(queue.call<int>("qsize"), 1);
    EXPECT_EQ(queue.call<std::string>("get"), "job");
    EXPECT_THROW(queue.call("get_nowait"), Empty);
    queue.call("task_done");
    queue.call("join");
    EXPECT_THROW(queue.call("task_done"), std::invalid_argument);
  }
}

TEST_P(PythonServer, ServesAnEvent) {
  const PythonProxy event = manager().create("Event");
  EXPECT_FALSE(event.call<bool>("is_set"));
  EXPECT_FALSE(event.call<bool>("wait", 0.01));
  std::thread waiter{[event] { EXPECT_TRUE(event.call<bool>("wait")); }};
  event.call("set");
  waiter.join();
  event.call("clear");
  EXPECT_FALSE(event.call<bool>("is_set"));
}

TEST_P(PythonServer, ServesLocks) {
  const PythonProxy lock = manager().create("Lock");
  EXPECT_TRUE(lock.call<bool>("acquire"));
  EXPECT_FALSE(lock.call<bool>("acquire", false));
  lock.call("release");
  EXPECT_THROW(lock.call("release"), std::runtime_error);
  // Held by a thread, and taken by it again.
  const PythonProxy rlock = manager().create("RLock");
  EXPECT_TRUE(rlock.call<bool>("acquire"));
  EXPECT_TRUE(rlock.call<bool>("acquire"));
  std::thread other{[rlock] {
    EXPECT_FALSE(rlock.call<bool>("acquire", false));
    EXPECT_THROW(rlock.call("release"), std::runtime_error);
  }};
  other.join();
  rlock.call("release");
  rlock.call("release");
  EXPECT_THROW(rlock.call("release"), std::runtime_error);
}

TEST_P(PythonServer, ServesSemaphores) {
  const PythonProxy semaphore = manager().create("Semaphore", 2);
  EXPECT_TRUE(semaphore.call<bool>("acquire"));
  EXPECT_TRUE(semaphore.call<bool>("acquire"));
  EXPECT_FALSE(semaphore.call<bool>("acquire", false));
  const PythonProxy bounded = manager().create("BoundedSemaphore", 1);
  EXPECT_TRUE(bounded.call<bool>("acquire", true, 1.0));
  bounded.call("release");
  EXPECT_THROW(bounded.call("release"), std::invalid_argument);
}

TEST_P(PythonServer, ServesACondition) {
  const PythonProxy condition = manager().create("Condition");
  const PythonProxy ready = manager().create("Event");
  std::thread waiter{[condition, ready] {
    condition.call("acquire");
    ready.call("set");
    EXPECT_TRUE(condition.call<bool>("wait"));
    condition.call("release");
  }};
  ready.call("wait");
  condition.call("acquire");  // it has begun to wait
  condition.call("notify");
  condition.call("release");
  waiter.join();
  EXPECT_THROW(condition.call("notify_all"), std::runtime_error);
}

TEST_P(PythonServer, ServesABarrier) {
  const PythonProxy barrier = manager().create("Barrier", 2);
  EXPECT_EQ(barrier.attribute<int>("parties"), 2);
  int first = -1;
  std::thread other{[&first, barrier] { first = barrier.call<int>("wait"); }};
  const int second = barrier.call<int>("wait");
  other.join();
  EXPECT_EQ(first + second, 1);
  barrier.call("abort");
  EXPECT_TRUE(barrier.attribute<bool>("broken"));
  EXPECT_THROW(barrier.call("wait"), BrokenBarrier);
  barrier.call("reset");
}

TEST_P(PythonServer, ServesValuesAndArrays) {
  const PythonProxy value = manager().create("Value", "i", 7);
  EXPECT_EQ(value.call<int>("get"), 7);
  value.call("set", 8);
  EXPECT_EQ(value.call<int>("get"), 8);
  const PythonProxy array = manager().create("Array", "d", std::vector{1.0, 2.0});
  array.call("__setitem__", 0, 1.5);
  EXPECT_EQ(array.call<std::size_t>("__len__"), 2U);
  EXPECT_EQ(array.iterate<double>(), (std::vector{1.5, 2.0}));
}

TEST_P(PythonServer, ServesAPool) {
  const PythonProxy pool = manager().create("Pool", 2);
  const auto abs = Value::global("builtins", "abs");
  EXPECT_EQ(pool.call<std::vector<int>>("map", abs, std::vector{-1, -2}), (std::vector{1, 2}));
  EXPECT_EQ(pool.call<int>("apply", abs, std::tuple{-3}), 3);
  const auto result = pool.call<PythonProxy>("apply_async", abs, std::tuple{-4});
  EXPECT_EQ(result.type(), "AsyncResult");
  EXPECT_EQ(result.call<int>("get"), 4);
  EXPECT_EQ(pool.call<PythonProxy>("imap", abs, std::vector{-5, -6}).iterate<int>(),
            (std::vector{5, 6}));
  EXPECT_THROW(pool.call("apply", Value::global("builtins", "int"), std::tuple{std::string{"x"}}),
               std::invalid_argument);
  EXPECT_TRUE(result.call<bool>("ready"));
  EXPECT_TRUE(result.call<bool>("successful"));
  const auto pow = Value::global("builtins", "pow");
  using Pairs = std::vector<std::tuple<int, int>>;
  EXPECT_EQ(pool.call<std::vector<int>>("starmap", pow, Pairs{{2, 3}, {3, 2}}),
            (std::vector{8, 9}));
  const auto later = pool.call<PythonProxy>("starmap_async", pow, Pairs{{2, 4}});
  EXPECT_EQ(later.call<std::vector<int>>("get", 20), std::vector{16});
  auto unordered =
      pool.call<PythonProxy>("imap_unordered", abs, std::vector{-7, -8}).iterate<int>();
  std::sort(unordered.begin(), unordered.end());
  EXPECT_EQ(unordered, (std::vector{7, 8}));
  const auto sleep =
      pool.call<PythonProxy>("apply_async", Value::global("time", "sleep"), std::tuple{3600});
  EXPECT_THROW(sleep.call("get", 0.01), TimeoutError);
  EXPECT_FALSE(sleep.call<bool>("ready"));
  pool.call("terminate");
  pool.call("join");
  EXPECT_THROW(pool.call("map", abs, std::vector{1}), std::invalid_argument);
}

TEST_P(PythonServer, KeepsProxiesInsideObjects) {
  const PythonProxy inner = manager().create("list", std::vector{1});
  const PythonProxy outer = manager().create("list");
  outer.call("append", inner);
  inner.call("append", 2);
  const auto again = outer.call<PythonProxy>("__getitem__", 0);
  EXPECT_EQ(again.id(), inner.id());
  EXPECT_EQ(again.copy<std::vector<int>>(), (std::vector{1, 2}));
  EXPECT_EQ(outer.iterate<PythonProxy>().at(0).iterate<int>(), (std::vector{1, 2}));
}

TEST_P(PythonServer, GetsValuesOfEveryKindBack) {
  const PythonProxy thing = manager().create("Thing");
  EXPECT_EQ(
      thing.call<Value>("whole").repr(),
      "[None, True, 0x400000000000000000, -1.5, 'h\xc3\xa9', b'\\xff', bytearray(b'a'), (1,), "
      "{2}, {'k': [3]}]");
  const auto whole = thing.call<Value>("whole");
  for (const Value& value : whole.items()) {
    EXPECT_EQ(thing.call<Value>("echo", value).items()[0].items()[0], value);
  }
  const Value named = thing.call_with<Value>("echo", {Value{1}}, {{"k", 2}});
  EXPECT_EQ(named.repr(), "((1,), [('k', 2)])");
  EXPECT_EQ(thing.call<Value>("echo", std::chrono::milliseconds{1500}).items()[0].repr(),
            "(datetime.timedelta(0, 1, 500000),)");
}

TEST_P(PythonServer, SaysWhatWentWrong) {
  const PythonProxy thing = manager().create("Thing");
  EXPECT_THROW(thing.call("fail", "Key", "k"), std::out_of_range);
  EXPECT_THROW(thing.call("fail", "Value", "v"), std::invalid_argument);
  try {
    thing.call("fail", "OS", 2, "gone", "file");
    FAIL();
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
    EXPECT_STREQ(error.what(), "[Errno 2] gone: 'file'");
    EXPECT_EQ(remote_info(error)->type_name, "FileNotFoundError");
  }
  try {
    thing.call("fail", "Zero", "by nothing");
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_STREQ(error.what(), "by nothing");
    EXPECT_EQ(error.type_name(), "ZeroDivisionError");
  }
  EXPECT_THROW(thing.call("unsendable"), RemoteError);
  EXPECT_THROW(thing.call("_private"), RemoteError);
  EXPECT_THROW(thing.call("nothing"), RemoteError);
  EXPECT_THROW(static_cast<void>(manager().create("Nothing")), RemoteError);
  EXPECT_THROW(static_cast<void>(thing.call<std::string>("whole")), TypeMismatch);
  EXPECT_EQ(thing.call<Value>("echo").repr(), "((), [])");
}

TEST_P(PythonServer, CountsReferences) {
  EXPECT_EQ(manager().number_of_objects(), 0U);
  {
    const PythonProxy dict = manager().create("dict");
    const PythonProxy copy = dict;
    EXPECT_EQ(manager().number_of_objects(), 1U);
    static_cast<void>(dict.iterate());
    EXPECT_EQ(manager().number_of_objects(), 1U);
    EXPECT_NE(manager().debug_info().find("refcount=1"), std::string::npos);
  }
  EXPECT_EQ(manager().number_of_objects(), 0U);
}

TEST_P(PythonServer, RefusesAnotherKey) {
  EXPECT_THROW((PythonManager{address_, {.authkey = "wrong"}}), AuthenticationError);
}

TEST_P(PythonServer, MayBeUsedByAForkedChild) {
  const PythonProxy list = manager().create("list");
  list.call("append", 1);
  Child child{[&] {
    list.call("append", 2);
    return 0;
  }};
  EXPECT_EQ(child.wait(), test::exited(0));
  list.call("append", 3);
  EXPECT_EQ(list.copy<std::vector<int>>(), (std::vector{1, 2, 3}));
}

TEST_P(PythonServer, IsMissedWhenItIsGone) {
  const PythonProxy list = manager().create("list");
  list.call("append", 1);
  server_->child().send_signal(SIGKILL);
  EXPECT_EQ(server_->child().wait(), test::killed_by(SIGKILL));
  EXPECT_THROW(list.call("append", 2), Error);
  EXPECT_THROW(static_cast<void>(manager().create("list")), OsError);
}

TEST_P(PythonServerOverTcp, ServesThereAsWell) {
  const PythonProxy queue = manager().create("Queue");
  queue.call("put", std::vector{1, 2});
  EXPECT_EQ(queue.call<std::vector<int>>("get"), (std::vector{1, 2}));
  const PythonProxy list = manager().create("list");
  list.call("append", queue);
  list.call<PythonProxy>("__getitem__", 0).call("put", 7);
  EXPECT_EQ(queue.call<int>("get"), 7);
}

}  // namespace
}  // namespace mp
