// SPDX-License-Identifier: Apache-2.0
// Workers that never stop taking locks and permits, killed and stopped at random moments: whoever
// is left goes on, nobody is inside with another, and no permit is lost.
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <vector>

#include "mp/errors/error.hpp"
#include "mp/sync.hpp"

#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kWorkers = 5;
constexpr int kRounds = 300;
constexpr int kTorn = 3;

struct Ledger {
  std::array<std::atomic<std::uint64_t>, kWorkers> beats{};
  std::atomic<int> first{0};
  std::atomic<int> second{0};
  std::atomic<int> told{0};
};

struct Workshop {
  Lock lock;
  BoundedSemaphore permits{2};
  test::Shared<Ledger> ledger;

  // Ends only when something is wrong.
  int work(std::size_t me) {
    for (;;) {
      try {
        lock.acquire();
      } catch (const OwnerDied&) {
        if (lock.recover()) {
          ledger->second = ledger->first.load();
          ledger->told.fetch_add(1);
        }
      }
      if (ledger->first != ledger->second) {
        return kTorn;
      }
      ledger->first.fetch_add(1);
      ledger->second.fetch_add(1);
      lock.release();
      permits.acquire();
      permits.release();
      ledger->beats[me].fetch_add(1);
    }
  }
};

TEST(SyncSoak, GoesOnWhoeverIsKilledOrStopped) {
  const auto seed = static_cast<unsigned>(std::random_device{}());
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::minstd_rand random{seed};
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  Workshop shop;
  std::vector<std::unique_ptr<test::Child>> workers(kWorkers);
  const auto hire = [&](std::size_t i) {
    workers[i] = std::make_unique<test::Child>([&shop, i] { return shop.work(i); });
  };
  // Waits for a sign of life.
  const auto advances = [&](std::size_t i, std::uint64_t by) {
    const std::uint64_t begin = shop.ledger->beats[i].load();
    return test::eventually(
        [&] { return shop.ledger->beats[i].load() > begin + by || workers[i]->has_ended(); }, 20s);
  };
  for (std::size_t i = 0; i < kWorkers; ++i) {
    hire(i);
  }
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t victim = below(kWorkers);
    ASSERT_TRUE(advances(victim, below(30))) << "a worker hangs in round " << round;
    ASSERT_FALSE(workers[victim]->has_ended()) << "a worker found something wrong";
    if (below(3) == 0) {
      workers[victim]->send_signal(SIGSTOP);
      // It may hold the lock: the others wait then, for it is alive.
      try {
        if (shop.lock.acquire(1ms)) {
          shop.lock.release();
        }
      } catch (const OwnerDied&) {  // of one that was killed before; the workers mend it
      }
      workers[victim]->send_signal(SIGCONT);
    } else {
      ASSERT_EQ(workers[victim]->kill(), test::killed_by(SIGKILL));
      if (below(2) == 0) {
        memory::bury_the_dead();
      }
      hire(victim);
    }
  }
  for (std::size_t i = 0; i < kWorkers; ++i) {
    EXPECT_TRUE(advances(i, 10)) << "a worker hangs at the end";
    EXPECT_EQ(workers[i]->kill(), test::killed_by(SIGKILL));
  }
  memory::bury_the_dead();
  EXPECT_EQ(shop.permits.get_value(), 2);
}

}  // namespace
}  // namespace mp::crash
