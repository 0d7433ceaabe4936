// SPDX-License-Identifier: Apache-2.0
// Shared data in children of every start method, and in what carries messages.
#include <atomic>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include "mp/connection.hpp"
#include "mp/pool.hpp"
#include "mp/process.hpp"
#include "mp/queue.hpp"
#include "mp/shared.hpp"
#include "mp/shared/segment_sync.hpp"

#include "support/start_methods.hpp"

namespace mp {
namespace {

class SharedData : public test::StartMethodTest {
 protected:
  template <class F, class... Args>
  static void run(F f, const Args&... args) {
    Process child{{.start = GetParam()}, f, args...};
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), 0);
  }
};
MP_FOR_ALL_START_METHODS(SharedData);

// _TestValue, _TestArray and _TestSharedCTypes of CPython: what a child writes is seen.
TEST_P(SharedData, IsWrittenByAChild) {
  const RLock lock;
  const Value<int> counter{locked_by(lock), 5};
  const Array<double> grid(extents{3, 4});
  const RawValue<std::atomic<long>> hits{0L};
  run(
      [](const Value<int>& c, const Array<double>& g, const RawValue<std::atomic<long>>& h) {
        const std::scoped_lock hold{c.get_lock()};
        *c += 1;
        g.mdspan<2>()(1, 2) = 7;
        *h += 3;
      },
      counter, grid, hits);
  EXPECT_EQ(*counter, 6);
  EXPECT_EQ(grid[6], 7);
  EXPECT_EQ(*hits, 3);
}

struct Guarded {
  SegmentLock lock;
  SegmentEvent ready;
  int count = 0;
};

TEST_P(SharedData, HasLocksOfItsOwn) {
  const RawArray<Guarded> rows(2);
  run(
      [](const RawArray<Guarded>& there) {
        const std::scoped_lock hold{there[1].lock};
        there[1].count += 1;
        there[1].ready.set();
      },
      rows);
  EXPECT_TRUE(rows[1].ready.is_set());
  const std::scoped_lock hold{rows[1].lock};
  EXPECT_EQ(rows[1].count, 1);
}

// _TestSharedMemory.test_shared_memory_across_processes, and ShareableList's pickling.
TEST_P(SharedData, IsFoundByNameInAChild) {
  const SharedMemory block{create, 100};
  const ShareableList list{1, "two"};
  run(
      [](const SharedMemory& b, const ShareableList& l, const std::string& name) {
        b.buf()[0] = std::byte{9};
        SharedMemory{open, name}.buf()[1] = std::byte{8};
        l.set(0, l.get<std::string>(1).size());
      },
      block, list, block.name());
  EXPECT_EQ(block.buf()[0], std::byte{9});
  EXPECT_EQ(block.buf()[1], std::byte{8});
  EXPECT_EQ(list.get<int>(0), 3);
  block.unlink();
  list.shm().unlink();
}

TEST_P(SharedData, IsPlacedOnceForAllChildren) {
  const auto numbers = shared(std::vector<int>(1000, 3));
  const auto names = shared(std::map<std::string, int>{{"a", 1}});
  const RawValue<int> sum{0};
  run(
      [](const Constant<std::vector<int>>& n, const Constant<std::map<std::string, int>>& m,
         const RawValue<int>& s) {
        *s = std::accumulate(n.get().begin(), n.get().end(), m->at("a"));
      },
      numbers, names, sum);
  EXPECT_EQ(*sum, 3001);
}

Buffer fill(int value) {
  const Buffer buffer{1 << 20};
  std::ranges::fill(buffer.as<int>(), value);
  return buffer;
}

TEST_P(SharedData, ComesBackFromAPool) {
  Pool pool{{.processes = 1, .start = GetParam()}};
  const Buffer buffer = pool.apply(&fill, 7);
  EXPECT_EQ(buffer.as<int>().back(), 7);
}

TEST_P(SharedData, TravelsThroughQueuesAndPipes) {
  Queue<Buffer> queue;
  auto [here, there] = Pipe();
  run(
      [](Queue<Buffer> q, Connection c) {
        q.put(fill(1));
        c.send(fill(2));
      },
      queue, there);
  EXPECT_EQ(queue.get().as<int>().front(), 1);
  EXPECT_EQ(here.recv<Buffer>().as<int>().front(), 2);
}

}  // namespace
}  // namespace mp
