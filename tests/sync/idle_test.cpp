// SPDX-License-Identifier: Apache-2.0
// Who waits for long is woken by the library once a second at most.
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "mp/connection.hpp"
#include "mp/queue.hpp"
#include "mp/sync.hpp"

#include "os/futex.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;

// How often the process has gone to sleep of its own accord.
long sleeps_of(pid_t pid) {
  std::istringstream status{test::slurp("/proc/" + std::to_string(pid) + "/status")};
  for (std::string line; std::getline(status, line);) {
    constexpr std::string_view kField = "voluntary_ctxt_switches:";
    if (line.starts_with(kField)) {
      return std::stol(line.substr(kField.size()));
    }
  }
  return 0;
}

TEST(Idle, WaitersSleepForASecondAtATime) {
  if (!os::have_futex_waitv()) {
    GTEST_SKIP() << "without futex_waitv sleepers look every 50 ms";
  }
  Lock lock;
  lock.acquire();
  RLock rlock;
  rlock.acquire();
  Semaphore none{0};
  BoundedSemaphore taken{1};
  taken.acquire();
  Event event;
  Condition condition;
  Barrier meet{2};
  Queue<int> empty;
  Queue<int> full{1};
  full.put(1);
  auto [left, right] = Pipe();
  const std::vector<std::pair<const char*, std::function<void()>>> all = {
      {"Lock", [&] { lock.acquire(); }},
      {"RLock", [&] { rlock.acquire(); }},
      {"Semaphore", [&] { none.acquire(); }},
      {"Event", [&] { event.wait(); }},
      {"Condition",
       [&] {
         condition.acquire();
         condition.wait();
       }},
      {"Barrier", [&] { meet.wait(); }},
      {"Queue.get", [&] { empty.get(); }},
      {"Queue.put", [&] { full.put(2); }},
      {"Connection.recv", [&, end = &left] { static_cast<void>(end->recv<int>()); }}};
  std::vector<Child> children;
  children.reserve(all.size());
  for (const auto& each : all) {
    children.emplace_back([wait = each.second] { wait(); });
  }
  for (const Child& child : children) {
    ASSERT_EVENTUALLY(test::is_asleep(child.pid()));
  }
  // Not a way to synchronise, but what is measured: that nothing happens while time goes by.
  std::this_thread::sleep_for(200ms);
  std::vector<long> before;
  const auto begin = std::chrono::steady_clock::now();
  for (const Child& child : children) {
    before.push_back(sleeps_of(child.pid()));
  }
  std::this_thread::sleep_for(3s);
  for (std::size_t i = 0; i < children.size(); ++i) {
    const long after = sleeps_of(children[i].pid());
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    EXPECT_LE(after - before[i], static_cast<long>(passed.count()) + 1) << all[i].first;
    EXPECT_FALSE(children[i].has_ended()) << all[i].first;
  }
  for (Child& child : children) {
    child.kill();
  }
}

}  // namespace
}  // namespace mp
