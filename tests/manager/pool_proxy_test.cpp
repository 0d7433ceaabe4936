// SPDX-License-Identifier: Apache-2.0
#include "mp/manager/pool_proxy.hpp"

#include <algorithm>
#include <csignal>
#include <gtest/gtest.h>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "mp/codec.hpp"
#include "mp/errors.hpp"
#include "mp/manager.hpp"
#include "mp/process.hpp"

#include "support/eventually.hpp"
#include "support/start_methods.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

int square(int x) {
  if (x < 0) {
    throw std::domain_error("negative");
  }
  return x * x;
}
double scaled(double x, double by) {
  return x * by;
}
void tell(QueueProxy<int> to, int what) {
  to.put(what);
}

class PoolProxies : public test::StartMethodTest {
 protected:
  PoolProxies() : manager{{.start = GetParam()}} {
    manager.register_function("square", &square);
    manager.register_function("join",
                              [](const std::string& a, const std::string& b) { return a + b; });
    manager.register_function("nothing", [] {});
    manager.start();
  }
  SyncManager manager;
};
MP_FOR_ALL_START_METHODS(PoolProxies);

TEST_P(PoolProxies, CallsRunInOtherProcesses) {
  const auto pool = manager.Pool(2);
  EXPECT_EQ(pool.processes(), 2);
  EXPECT_EQ(pool.apply(square, 7), 49);
  EXPECT_EQ(pool.apply(fn<square>, 8), 64);
  EXPECT_EQ(pool.apply([](int a, const std::string& b) { return b + std::to_string(a); }, 1, "x"),
            "x1");
  EXPECT_EQ(pool.apply(partial(scaled, 3.0), 2.0), 6.0);
  const int worker = pool.apply([] { return static_cast<int>(::getpid()); });
  EXPECT_NE(worker, ::getpid());
  pool.apply([] {});
  EXPECT_THROW((void)pool.apply(square, -1), std::domain_error);
}

TEST_P(PoolProxies, ResultsComeLater) {
  const auto pool = manager.Pool(2);
  const auto gate = manager.Event();
  const auto later = pool.apply_async([](EventProxy go) { return go.wait() ? 5 : 0; }, gate);
  EXPECT_FALSE(later.ready());
  EXPECT_FALSE(later.wait(1ms));
  EXPECT_THROW((void)later.get(1ms), TimeoutError);
  EXPECT_THROW((void)later.successful(), UsageError);
  gate.set();
  EXPECT_EQ(later.get(), 5);
  EXPECT_EQ(later.get(), 5);
  EXPECT_TRUE(later.ready());
  EXPECT_TRUE(later.wait(0s));
  EXPECT_TRUE(later.successful());
  const auto bad = pool.apply_async(square, -1);
  EXPECT_TRUE(bad.wait(20s));
  EXPECT_FALSE(bad.successful());
  EXPECT_THROW((void)bad.get(), std::domain_error);
  // The result outlives the proxy of its pool, and is whole when it comes.
  const auto kept = manager.Pool(1).map_async(square, std::vector{1, 2, 3});
  EXPECT_EQ(kept.get(), (std::vector{1, 4, 9}));
}

TEST_P(PoolProxies, MapsKeepTheOrder) {
  const auto pool = manager.Pool(3);
  std::vector<int> xs(1000);
  std::iota(xs.begin(), xs.end(), 0);
  std::vector<int> squares;
  std::transform(xs.begin(), xs.end(), std::back_inserter(squares), square);
  EXPECT_EQ(pool.map(square, xs), squares);
  EXPECT_EQ(pool.map(square, xs, 1), squares);
  EXPECT_EQ(pool.map(square, xs, 5000), squares);
  EXPECT_TRUE(pool.map(square, std::vector<int>{}).empty());
  EXPECT_EQ(pool.map_async(square, xs, 7).get(20s), squares);
  const std::vector<std::pair<double, double>> pairs{{1, 2}, {3, 4}};
  EXPECT_EQ(pool.starmap(scaled, pairs), (std::vector<double>{2, 12}));
  EXPECT_EQ(pool.starmap_async(scaled, pairs).get(), (std::vector<double>{2, 12}));
  EXPECT_THROW((void)pool.map(square, std::vector{1, -1, 2}), std::domain_error);
  pool.map([](int) {}, xs);
}

TEST_P(PoolProxies, ImapGivesOneAfterTheOther) {
  const auto pool = manager.Pool(2);
  std::vector<int> got;
  for (const int each : pool.imap(square, std::vector{1, 2, 3, 4, 5}, 2)) {
    got.push_back(each);
  }
  EXPECT_EQ(got, (std::vector{1, 4, 9, 16, 25}));
  auto mixed = pool.imap(square, std::vector{1, -2, 3});
  EXPECT_EQ(mixed.next(), 1);
  EXPECT_THROW((void)mixed.next(), std::domain_error);
  EXPECT_EQ(mixed.next(20s), 9);
  EXPECT_EQ(mixed.next(), std::nullopt);
  EXPECT_EQ(mixed.next(), std::nullopt);

  // The one that is held up comes last, or first.
  const auto gate = manager.Event();
  const auto wait_for_zero = partial(
      [](EventProxy go, int x) {
        if (x == 0) {
          go.wait();
        }
        return x;
      },
      gate);
  auto ordered = pool.imap(wait_for_zero, std::vector{0, 1});
  EXPECT_THROW((void)ordered.next(1ms), TimeoutError);
  auto unordered = pool.imap_unordered(wait_for_zero, std::vector{0, 1});
  gate.set();
  EXPECT_EQ(ordered.next(), 0);
  EXPECT_EQ(ordered.next(), 1);
  std::vector<int> all{unordered.next().value(), unordered.next().value()};
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, (std::vector{0, 1}));
}

TEST_P(PoolProxies, ProxiesGoToWorkersAndComeBack) {
  const auto pool = manager.Pool(2);
  const auto queue = manager.Queue<int>();
  pool.apply(tell, queue, 5);
  EXPECT_EQ(queue.get(20s), 5);
  const auto made = pool.apply(
      [](QueueProxy<int> one) {
        one.put(6);
        return one;
      },
      queue);
  EXPECT_EQ(made.get(20s), 6);
  EXPECT_EQ(made.raw(), queue.raw());
  // A pool is an object like any other, and may be used by another process.
  Process child{{.start = GetParam()},
                [](PoolProxy mine, QueueProxy<int> to) { to.put(mine.apply(square, 3)); },
                pool,
                queue};
  child.start();
  child.join();
  EXPECT_EQ(queue.get(20s), 9);
}

TEST_P(PoolProxies, CallFunctionsByName) {
  const auto pool = manager.Pool(2);
  EXPECT_EQ(pool.apply_named<int>("square", 5), 25);
  EXPECT_EQ(pool.apply_named<std::string>("join", "a", "b"), "ab");
  pool.apply_named("nothing");
  EXPECT_EQ(pool.apply_named_async<int>("square", 6).get(), 36);
  EXPECT_EQ(pool.map_named<int>("square", std::vector{1, 2, 3}), (std::vector{1, 4, 9}));
  EXPECT_THROW((void)pool.apply_named<int>("square", -5), std::domain_error);
  EXPECT_THROW((void)pool.apply_named<int>("square", std::string{"5"}), TypeMismatch);
  EXPECT_THROW((void)pool.apply_named<int>("square"), std::invalid_argument);
  EXPECT_THROW((void)pool.apply_named<int>("cube", 5), RemoteError);
  EXPECT_THROW((void)manager.create("square"), RemoteError);
}

TEST_P(PoolProxies, CloseAndJoin) {
  const auto pool = manager.Pool(2);
  const auto gate = manager.Event();
  const auto last = pool.apply_async([](EventProxy go) { go.wait(); }, gate);
  EXPECT_THROW((void)pool.join(), UsageError);
  pool.close();
  EXPECT_THROW((void)pool.apply(square, 1), PoolClosed);
  EXPECT_FALSE(pool.join(1ms));
  gate.set();
  EXPECT_TRUE(pool.join(20s));
  EXPECT_TRUE(last.ready());
  EXPECT_TRUE(pool.join());

  const auto other = manager.Pool(PoolProxyOptions{.processes = 1, .maxtasksperchild = 1});
  const auto pid = [] { return static_cast<int>(::getpid()); };
  EXPECT_NE(other.apply(pid), other.apply(pid));
  const auto never = other.apply_async([](EventProxy go) { go.wait(); }, manager.Event());
  other.terminate();
  EXPECT_THROW(never.get(20s), PoolClosed);
  EXPECT_TRUE(other.join(20s));
}

TEST_P(PoolProxies, OnlyTheCallOfADeadWorkerFails) {
  const auto pool = manager.Pool(2);
  EXPECT_THROW(pool.apply([] { ::kill(::getpid(), SIGKILL); }), WorkerDied);
  EXPECT_EQ(pool.map(square, std::vector{1, 2, 3}), (std::vector{1, 4, 9}));
}

TEST_P(PoolProxies, EndsWithItsLastHolder) {
  const auto before = manager.number_of_objects();
  int worker = 0;
  {
    const auto pool = manager.Pool(1);
    worker = pool.apply([] { return static_cast<int>(::getpid()); });
    EXPECT_EQ(::kill(worker, 0), 0);
  }
  EXPECT_EVENTUALLY(::kill(worker, 0) != 0);
  EXPECT_EVENTUALLY(manager.number_of_objects() == before);
}

TEST_P(PoolProxies, AKilledClientLeavesNothing) {
  const auto said = manager.Event();
  const auto box = manager.Value<int>(0);
  const auto before = manager.number_of_objects();
  // Its pool, with a task that never ends, and a call that waits for that.
  auto hold = [](SyncManager* there, EventProxy done, ValueProxy<int> where) {
    const auto pool = there->Pool(1);
    where.set(pool.apply([] { return static_cast<int>(::getpid()); }));
    const auto queue = pool.apply_async(
        [](EventProxy on) {
          on.set();
          for (;;) {
            ::pause();
          }
        },
        done);
    queue.get();
  };
  Process child{{.start = StartMethod::fork}, [&] {
                  SyncManager there{{.address = manager.address()}};
                  there.connect();
                  hold(&there, said, box);
                }};
  child.start();
  ASSERT_TRUE(said.wait(20s));
  const int worker = box.get();
  EXPECT_EQ(::kill(worker, 0), 0);
  child.kill();
  child.join();
  EXPECT_EVENTUALLY(::kill(worker, 0) != 0);
  EXPECT_EVENTUALLY(manager.number_of_objects() == before);
}

TEST_P(PoolProxies, TheServerLivesOnWithoutSenseInWhatItIsSent) {
  const auto pool = manager.Pool(1);
  const auto send = [&](auto build, std::uint64_t code) {
    detail::Arguments args = pool.raw().encode();
    args.add_written(detail::kPoolCodeTag, [&](auto& out) {
      out.write_raw(build);
      out.write_raw(code);
    });
    return detail::pool_result<int>(pool.raw().call_raw("apply", args));
  };
  auto other = detail::program_build();
  ++other[0];
  EXPECT_THROW((void)send(other, 1), UsageError);
  EXPECT_THROW((void)send(detail::program_build(), 1), DecodeError);
  EXPECT_THROW((void)pool.raw().call_raw("apply", pool.raw().encode()), std::invalid_argument);
  EXPECT_THROW((void)pool.raw().call_raw("map", pool.raw().encode("square")), std::exception);
  EXPECT_THROW((void)manager.Pool(-1), std::exception);
  EXPECT_EQ(pool.apply(square, 2), 4);
}

// Over TCP code is taken from those only for whom the server was made so.
TEST(PoolProxiesOverTcp, CodeIsTakenWhenItIsSaidSo) {
  for (const bool accepts : {false, true}) {
    SyncManager manager{{.address = tcp("127.0.0.1", 0), .authkey = "key", .accept_code = accepts}};
    manager.register_function("square", &square);
    manager.start();
    const auto pool = manager.Pool(1);
    EXPECT_EQ(pool.apply_named<int>("square", 3), 9);
    if (accepts) {
      EXPECT_EQ(pool.apply(square, 3), 9);
    } else {
      EXPECT_THROW((void)pool.apply(square, 3), UsageError);
      EXPECT_THROW((void)pool.map(square, std::vector{3}), UsageError);
    }
  }
}

}  // namespace
}  // namespace mp
