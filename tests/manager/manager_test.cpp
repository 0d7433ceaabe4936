// SPDX-License-Identifier: Apache-2.0
#include "mp/manager.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "mp/connection.hpp"
#include "mp/errors.hpp"
#include "mp/process.hpp"

#include "connection/endpoints.hpp"
#include "os/endpoint.hpp"
#include "os/socket.hpp"
#include "support/start_methods.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

class Account {
 public:
  explicit Account(int balance) : balance_{balance} {
    if (balance < 0) {
      throw std::invalid_argument("no money");
    }
  }
  int deposit(int amount) { return balance_ += amount; }
  int withdraw(int amount) {
    if (amount > balance_) {
      throw std::domain_error("insufficient funds");
    }
    return balance_ -= amount;
  }
  [[nodiscard]] int balance() const noexcept { return balance_; }
  void fail() { throw 42; }

 private:
  int balance_;
};

struct Point {
  int x = 0;
  int y = 0;
};

class Branch {
 public:
  explicit Branch(std::string town) : town_{std::move(town)} {}
  [[nodiscard]] std::string town() const { return town_; }
  std::shared_ptr<Account> account(const std::string& name) {
    auto& account = accounts_[name];
    if (!account) {
      account = std::make_shared<Account>(0);
    }
    return account;
  }
  std::shared_ptr<Account> nobodys() { return nullptr; }
  std::shared_ptr<std::mutex> unregistered() { return std::make_shared<std::mutex>(); }

 private:
  std::string town_;
  std::map<std::string, std::shared_ptr<Account>> accounts_;
};

void move_by(Point& point, int dx, int dy) {
  if (dx < 0) {
    throw std::domain_error("no way back");
  }
  point.x += dx;
  point.y += dy;
}
int doubled(int number) {
  return 2 * number;
}

struct Bank : BaseManager {
  explicit Bank(ManagerOptions options = {}) : BaseManager{std::move(options)} {
    register_type<Account, int>("Account")
        .method("deposit", &Account::deposit)
        .method("withdraw", &Account::withdraw)
        .method("balance", &Account::balance)
        .method("fail", &Account::fail)
        .method("doubled", [](const Account& account) { return 2 * account.balance(); });
    register_callable("Rich", [](std::string) {
      return Account{1000};
    }).method("balance", &Account::balance);
  }
};

class ManagerTest : public test::StartMethodTest {};
MP_FOR_ALL_START_METHODS(ManagerTest);

TEST_P(ManagerTest, ServesAClassOfTheUser) {
  Bank bank{{.start = GetParam()}};
  bank.start();
  const Proxy account = bank.create("Account", 100);
  EXPECT_EQ(account.call<int>("deposit", 50), 150);
  EXPECT_EQ(account.call<int>("doubled"), 300);
  EXPECT_EQ(bank.create("Rich", "me").call<int>("balance"), 1000);
  try {
    account.call<int>("withdraw", 1000);
    FAIL();
  } catch (const std::domain_error& error) {
    EXPECT_STREQ(error.what(), "insufficient funds");
    const RemoteInfo* info = remote_info(error);
    ASSERT_NE(info, nullptr);
    EXPECT_NE(info->pid, 0);
    EXPECT_NE(info->pid, current_process().pid());
  }
  EXPECT_THROW(account.call("fail"), RemoteError);
  EXPECT_EQ(account.call<int>("balance"), 150);
}

TEST_P(ManagerTest, RefusesWhatIsNotRegisteredAndLivesOn) {
  Bank bank{{.start = GetParam()}};
  bank.start();
  const Proxy account = bank.create("Account", 100);
  EXPECT_THROW(account.call("audit"), RemoteError);
  EXPECT_THROW((void)bank.create("Vault"), RemoteError);
  EXPECT_THROW((void)bank.create("dict", 1), RemoteError);  // not a SyncManager
  EXPECT_THROW((void)bank.create("Account"), std::invalid_argument);
  EXPECT_THROW((void)bank.create("Account", -1), std::invalid_argument);
  EXPECT_THROW((void)bank.create("Account", "rich"), TypeMismatch);
  EXPECT_THROW(account.call<int>("deposit", 1, 2), std::invalid_argument);
  EXPECT_THROW(account.call<int>("deposit", std::string{"much"}), TypeMismatch);
  EXPECT_THROW(account.call<std::string>("balance"), TypeMismatch);
  EXPECT_EQ(account.call<int>("balance"), 100);
}

TEST_P(ManagerTest, ProxiesTravelToChildren) {
  Manager manager{{.start = GetParam()}};
  manager.start();
  const auto dict = manager.dict<std::string, int>();
  const auto nested = manager.list<DictProxy<std::string, int>>();
  Process child{{.start = GetParam()},
                [](DictProxy<std::string, int> mine, ListProxy<DictProxy<std::string, int>> all) {
                  mine.set("child", 7);
                  all.append(mine);
                },
                dict,
                nested};
  child.start();
  child.join();
  ASSERT_EQ(child.exitcode(), 0);
  EXPECT_EQ(nested[0].get().at("child"), 7);
  EXPECT_EQ(nested[0].get(), dict);
}

TEST_P(ManagerTest, MethodsReturnObjects) {
  BaseManager manager{{.start = GetParam()}};
  manager.register_type<Branch, std::string>("Branch")
      .method("town", &Branch::town)
      .method("account", &Branch::account)
      .method("nobodys", &Branch::nobodys)
      .method("unregistered", &Branch::unregistered);
  manager.register_class<Account>("Account")
      .method("deposit", &Account::deposit)
      .method("balance", &Account::balance);
  manager.start();
  EXPECT_THROW((void)manager.create("Account", 1), UsageError);
  std::optional<Proxy> branch = manager.create("Branch", std::string{"Ulm"});
  const auto account = branch->call<Proxy>("account", std::string{"ada"});
  EXPECT_EQ(account.call<int>("deposit", 50), 50);
  // The same object is one, and lives on without its maker.
  EXPECT_EQ(branch->call<Proxy>("account", std::string{"ada"}), account);
  EXPECT_NE(branch->call<Proxy>("account", std::string{"ben"}), account);
  EXPECT_FALSE(branch->call<std::optional<Proxy>>("nobodys"));
  EXPECT_THROW((void)branch->call<Proxy>("unregistered"), UsageError);
  branch.reset();
  EXPECT_EQ(account.call<int>("balance"), 50);
  EXPECT_EQ(manager.number_of_objects(), 1U);
}

TEST_P(ManagerTest, FunctionsModifyValuesInTheServer) {
  SyncManager manager{{.start = GetParam()}};
  manager.start();
  const auto points = manager.dict<std::string, Point>();
  points.set("p", {1, 2});
  EXPECT_EQ(points.modify<move_by>("p", 10, 20).y, 22);
  EXPECT_THROW((void)points.modify<move_by>("p", -1, 1), std::domain_error);
  EXPECT_EQ(points.at("p").x, 11);
  EXPECT_THROW((void)points.modify<move_by>("q", 1, 1), std::out_of_range);
  const auto numbers = manager.list<int>({1, 2, 3});
  EXPECT_EQ(numbers.modify<doubled>(-1), 6);
  const auto value = manager.Value<int>(4);
  EXPECT_EQ(value.modify<doubled>(), 8);
  EXPECT_THROW((void)value.raw().call<int>("modify", std::uint64_t{1}), UsageError);
  const auto work = [](ValueProxy<int> v) {
    for (int i = 0; i != 3; ++i) {
      v.modify<doubled>();
    }
  };
  Process child{{.start = GetParam()}, work, value};
  child.start();
  child.join();
  EXPECT_EQ(value.get(), 64);
}

TEST_P(ManagerTest, ChildrenInheritAKeyThatIsNotTheTrees) {
  SyncManager manager{{.authkey = "a key of its own", .start = GetParam()}};
  manager.start();
  const auto dict = manager.dict<int, int>();
  const auto set_one = [](DictProxy<int, int> d, int key) { d.set(key, 1); };
  const auto have_one_set = [](DictProxy<int, int> d, decltype(set_one) set, int key) {
    Process grandchild{{.start = StartMethod::spawn}, set, d, key};
    grandchild.start();
    grandchild.join();
    EXPECT_EQ(grandchild.exitcode(), 0);
  };
  Process child{{.start = GetParam()}, set_one, dict, 1};
  Process parent{{.start = GetParam()}, have_one_set, dict, set_one, 2};
  for (Process* each : {&child, &parent}) {
    each->start();
    each->join();
    EXPECT_EQ(each->exitcode(), 0);
  }
  EXPECT_TRUE(dict.contains(1));
  EXPECT_TRUE(dict.contains(2));
}

TEST_P(ManagerTest, ObjectsLiveAsLongAsSomebodyHasThem) {
  Manager manager{{.start = GetParam()}};
  manager.start();
  const auto outer = manager.list<ListProxy<int>>();
  {
    const auto inner = manager.list<int>({1, 2});
    outer.append(inner);
    EXPECT_EQ(manager.number_of_objects(), 2u);
  }
  EXPECT_EQ(manager.number_of_objects(), 2u);  // the outer list has it
  EXPECT_EQ(outer.at(0).copy(), (std::vector{1, 2}));
  outer.clear();
  EXPECT_EQ(manager.number_of_objects(), 1u);
}

TEST(Manager, StartsOnceAndEndsForGood) {
  BaseManager manager;
  EXPECT_THROW((void)manager.create("Account", 1), UsageError);
  EXPECT_THROW(manager.shutdown(), UsageError);
  manager.start();
  EXPECT_THROW(manager.start(), UsageError);
  EXPECT_THROW(manager.connect(), UsageError);
  EXPECT_THROW(manager.register_shared("late", Queue<int>{}), UsageError);
  manager.shutdown();
  manager.shutdown();
  EXPECT_TRUE(manager.join(0s));
  EXPECT_THROW(manager.start(), UsageError);
  EXPECT_THROW((void)manager.create("Account", 1), ClosedError);
}

TEST(Manager, ProxiesSayWhenTheServerIsGone) {
  Manager manager;
  const auto dict = manager.dict<int, int>();
  dict.set(1, 1);
  manager.shutdown();
  EXPECT_THROW(dict.set(2, 2), EOFError);
  EXPECT_THROW((void)dict.size(), EOFError);
}

TEST(Manager, SaysWhyItCannotListenOrConnect) {
  BaseManager first{{.address = tcp("127.0.0.1", 0)}};
  first.start();
  BaseManager second{{.address = first.address()}};
  EXPECT_THROW(second.start(), OsError);
  EXPECT_THROW((BaseManager{{.address = tcp("0.0.0.0", 0)}}.start()), UsageError);
  BaseManager nobody{{.address = unix_socket("/nowhere/at/all")}};
  EXPECT_THROW(nobody.connect(), OsError);
  BaseManager stranger{{.address = first.address(), .authkey = "wrong"}};
  EXPECT_THROW(stranger.connect(), AuthenticationError);
  BaseManager friendly{{.address = first.address()}};
  friendly.connect();
  EXPECT_EQ(friendly.number_of_objects(), 0u);
}

TEST(Manager, ListensOnIPv6AndOnAPath) {
  const std::string path =
      testing::TempDir() + "/mp-manager-test-" + std::to_string(current_process().pid());
  for (const Address& address : {tcp("::1", 0), unix_socket(path)}) {
    Manager manager{{.address = address}};
    manager.start();
    const auto list = manager.list<int>({1});
    EXPECT_EQ(list.at(0), 1);
  }
  EXPECT_THROW((void)Client(unix_socket(path)), OsError);  // removed
}

TEST(Manager, ServesInThisProcess) {
  SyncManager manager{{.address = tcp("127.0.0.1", 0), .authkey = "key"}};
  ManagerServer server = manager.get_server();
  std::thread thread{[&] { server.serve_forever(); }};
  {
    SyncManager client{{.address = server.address(), .authkey = "key"}};
    client.connect();
    const auto value = client.Value<int>(3);
    EXPECT_EQ(value.increment(4), 7);
  }
  server.stop();
  thread.join();
}

TEST(Manager, ServesAQueueOfSharedMemory) {
  Queue<Point> queue;
  BaseManager board{{.address = tcp("127.0.0.1", 0), .authkey = "key"}};
  board.register_shared("points", queue);
  board.start();
  const auto points = board.get<QueueProxy<Point>>("points");
  EXPECT_THROW((void)board.get<QueueProxy<int>>("points"), TypeMismatch);
  points.put({1, 2});
  EXPECT_EQ(queue.get(20s).y, 2);
  queue.put({3, 4});
  EXPECT_EQ(points.get(20s).x, 3);
  std::thread later{[&] { queue.put({5, 6}); }};
  EXPECT_EQ(points.get().x, 5);
  later.join();
  EXPECT_THROW((void)points.get_nowait(), Empty);
  EXPECT_EQ(points.qsize(), 0u);
}

// A put that waits for room is woken by whoever makes some, without the server.
TEST(Manager, ServesAFullQueueOfSharedMemory) {
  Queue<int> queue{1};
  BaseManager board;
  board.register_shared("numbers", queue);
  board.start();
  const auto numbers = board.get<QueueProxy<int>>("numbers");
  constexpr int kMany = 500;
  std::thread putter{[&] {
    for (int i = 0; i != kMany; ++i) {
      numbers.put(i);
    }
  }};
  for (int i = 0; i != kMany; ++i) {
    EXPECT_EQ(queue.get(20s), i);
  }
  putter.join();
  numbers.put(1);
  EXPECT_FALSE(numbers.try_put_for(2, 10ms));
  EXPECT_EQ(queue.get(20s), 1);
  EXPECT_TRUE(numbers.try_put(3));
}

TEST(Manager, ManyThreadsShareAConnection) {
  Manager manager;
  const auto dict = manager.dict<int, int>();
  const auto queue = manager.Queue<int>();
  std::thread waiter{[&] { EXPECT_EQ(queue.get(), 1); }};
  std::vector<std::thread> threads;
  for (int id = 0; id < 4; ++id) {
    threads.emplace_back([&, id] {
      for (int i = 0; i < 200; ++i) {
        dict.increment(i % 7, 1);
        EXPECT_FALSE(dict.contains(100 + id));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  queue.put(1);
  waiter.join();
  int sum = 0;
  for (const auto& [key, value] : dict) {
    sum += value;
  }
  EXPECT_EQ(sum, 800);
}

TEST(Manager, CallsCanBeOnTheirWayTogether) {
  Manager manager;
  const auto value = manager.Value<int>();
  std::vector<PendingCall<int>> calls;
  for (int i = 0; i < 20000; ++i) {
    calls.push_back(value.raw().call_async<int>("increment", 1));
  }
  for (int i = 0; i < 20000; ++i) {
    ASSERT_EQ(calls[static_cast<std::size_t>(i)].get(), i + 1);
  }
  (void)value.raw().call_async<int>("increment", 1);  // forgotten, not undone
  EXPECT_EQ(value.get(), 20001);
}

TEST(Manager, LargeValuesTravel) {
  Manager manager{{.max_frame = 32u << 20}};
  manager.start();
  const auto list = manager.list<std::string>();
  const std::string large(5u << 20, 'x');
  list.append(large);
  list.append(large);
  EXPECT_EQ(list.copy().back(), large);
  EXPECT_THROW(list.append(std::string(64u << 20, 'y')), EOFError);  // and is cut off for that
}

TEST(Manager, DropsWhoSendsGarbage) {
  Manager manager{{.address = tcp("127.0.0.1", 0), .authkey = "key"}};
  manager.start();
  for (const char* text : {"GET / HTTP/1.0\r\n\r\n", "\xff\xff\xff\xfe", "x"}) {
    const os::Fd socket =
        os::connect_to(connection::endpoints_of(manager.address()).front(), Deadline{20s});
    os::send_all(socket.get(), std::as_bytes(std::span{text, std::strlen(text)}));
  }
  {  // with the key, but not what comes after
    Connection peer = Client(manager.address(), {.authkey = "key"});
    peer.send_bytes(std::as_bytes(std::span{"nonsense", 8}));
    EXPECT_THROW((void)peer.recv_bytes(), EOFError);
  }
  EXPECT_EQ(manager.list<int>({4}).at(0), 4);
}

TEST(Manager, AForkedChildHasAConnectionOfItsOwn) {
  Manager manager;
  const auto value = manager.Value<int>(1);
  std::vector<Process> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back(ProcessOptions{.start = StartMethod::fork}, [value] {
      for (int k = 0; k < 100; ++k) {
        value.increment(1);
      }
    });
  }
  for (Process& child : children) {
    child.start();
  }
  for (int k = 0; k < 100; ++k) {
    value.increment(1);
  }
  for (Process& child : children) {
    child.join();
    EXPECT_EQ(child.exitcode(), 0);
  }
  EXPECT_EQ(value.get(), 501);
}

TEST(Manager, AProxyOnItsWayKeepsTheObject) {
  Manager manager;
  Queue<ListProxy<int>> queue;
  queue.put(manager.list<int>({1, 2, 3}));
  EXPECT_EQ(manager.list<int>().size(), 0u);  // the first list's proxy is gone by now
  EXPECT_EQ(queue.get().copy(), (std::vector{1, 2, 3}));
}

}  // namespace
}  // namespace mp
