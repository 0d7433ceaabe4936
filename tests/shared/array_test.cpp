// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/array.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <gtest/gtest.h>
#include <limits>
#include <list>
#include <mutex>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

#include "mp/errors/error.hpp"

#include "memory/allocator.hpp"
#include "os/check.hpp"
#include "shared/travel.hpp"
#include "support/child.hpp"
#include "support/faults.hpp"

namespace mp {
namespace {

using test::exited;

struct Particle {
  double x, v;
  int id;
};
struct One {
  int value = 1;
};

static_assert(std::ranges::contiguous_range<Array<int>>);
static_assert(std::ranges::sized_range<const RawArray<int>>);

TEST(Array, HasAsManyZeroesAsAskedFor) {
  const Array<double> data(1000);
  EXPECT_EQ(data.size(), 1000u);
  EXPECT_TRUE(std::ranges::all_of(data, [](double d) { return d == 0; }));
  const RawArray<One> ones(3);
  EXPECT_EQ(ones[2].value, 1);
}

TEST(Array, IsMadeOfElementsOrARange) {
  const Array<int> listed{2, 3, 5};
  EXPECT_EQ(listed.size(), 3u);
  EXPECT_EQ(listed.back(), 5);
  const RawArray<int> copied{std::vector<int>{7, 8}};
  EXPECT_EQ(copied.front(), 7);
  const Array<long> widened{std::list<int>{1, 2, 3, 4}};
  EXPECT_EQ(std::accumulate(widened.begin(), widened.end(), 0L), 10);
  const Array<Particle> particles{Particle{1, 2, 3}, Particle{4, 5, 6}};
  EXPECT_EQ(particles[1].id, 6);
  const Array<int> of_another{std::vector<int>(listed.begin(), listed.end())};
  EXPECT_EQ(of_another[2], 5);
}

TEST(Array, MayBeEmpty) {
  const Array<int> none(0);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.begin(), none.end());
  EXPECT_THROW(static_cast<void>(none.at(0)), std::out_of_range);
  EXPECT_EQ(test::send(none).size(), 0u);
}

TEST(Array, ChecksOnlyAt) {
  Array<double> data(10);
  EXPECT_NO_THROW(data.at(9) = 1);
  EXPECT_THROW(data.at(10) = 1, std::out_of_range);
  EXPECT_THROW(data.at(std::numeric_limits<std::size_t>::max()) = 1, std::out_of_range);
}

TEST(Array, IsASpan) {
  Array<double> data(100);
  const std::span<double> view{data};
  view[7] = 7;
  EXPECT_EQ(view.size(), 100u);
  EXPECT_EQ(data[7], 7);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data.data()) % 64, 0u);
}

TEST(Array, IsSharedWithAChild) {
  Array<double> data(1000);
  Array<Particle> particles{Particle{1, 2, 3}, Particle{4, 5, 6}};
  EXPECT_EQ(test::in_child([data, particles] {
              std::iota(data.begin(), data.end(), 0.0);
              std::scoped_lock hold{particles.get_lock()};
              particles[1].x += particles[0].v;
            }),
            exited(0));
  EXPECT_EQ(std::accumulate(data.begin(), data.end(), 0.0), 499500);
  EXPECT_EQ(particles[1].x, 6);
  EXPECT_TRUE(particles.try_lock());
  particles.release();
}

TEST(Array, TravelsWithItsSizeAndLock) {
  const Array<int> data{1, 2, 3};
  const Array<int> there = test::send(data);
  EXPECT_EQ(there.size(), 3u);
  there[0] = 9;
  EXPECT_EQ(data[0], 9);
  EXPECT_EQ(there.get_lock(), data.get_lock());
  EXPECT_THROW(static_cast<void>(test::send_as<Array<long>>(data)), TypeMismatch);
  const RawArray<int> raw{1, 2};
  EXPECT_EQ(test::send(raw).size(), 2u);
}

TEST(Array, RefusesSizesThatCannotBe) {
  const std::uint64_t before = memory::heap_use().blocks;
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  EXPECT_THROW(static_cast<void>(Array<double>(kMost)), OutOfMemory);
  EXPECT_THROW(static_cast<void>(Array<double>(kMost / 8)), OutOfMemory);
  EXPECT_THROW(static_cast<void>(RawArray<double>(std::size_t{1} << 60)), std::bad_alloc);
  EXPECT_EQ(memory::heap_use().blocks, before);
}

TEST(Array, IsAnExceptionWhereMemoryIsFull) {
  const Array<double> warm(10);
  const std::uint64_t before = memory::heap_use().blocks;
  test::Faults faults;
  faults.fail(os::Sys::madvise_populate, ENOMEM);
  faults.fail(os::Sys::fallocate, ENOSPC);
  faults.fail(os::Sys::ftruncate, ENOSPC);
  EXPECT_THROW(Array<double>(std::size_t{1} << 24), OutOfMemory);
  EXPECT_THROW(RawArray<double>(std::size_t{1} << 24), OutOfMemory);
  EXPECT_EQ(memory::heap_use().blocks, before);
}

TEST(Array, TravelsAsAHandleWhateverItsSize) {
  const Array<std::byte> small(1);
  const Array<std::byte> huge(std::size_t{8} << 30, sparse);
  const std::uint64_t before = memory::heap_use().bytes;
  EXPECT_EQ(test::send(huge), huge);
  EXPECT_EQ(memory::heap_use().bytes, before);
  EXPECT_EQ(message_size(huge), message_size(small));
}

TEST(Array, TakesNoPagesWhereItIsSparse) {
  const std::uint64_t before = memory::heap_use().resident;
  const RawArray<std::byte> huge(std::size_t{8} << 30, sparse);
  huge[huge.size() / 2] = std::byte{1};
  EXPECT_EQ(test::in_child([huge] { EXPECT_EQ(huge[huge.size() / 2], std::byte{1}); }), exited(0));
  EXPECT_LT(memory::heap_use().resident - before, std::uint64_t{2} << 20);
}

TEST(Array, HasSlices) {
  const Array<int> data{1, 2, 3, 4, 5};
  const std::span<int> middle = data.slice(1, 4);
  middle[0] = 20;
  EXPECT_EQ(data[1], 20);
  EXPECT_EQ(middle.size(), 3U);
  EXPECT_TRUE(data.slice(5, 5).empty());
  EXPECT_THROW(static_cast<void>(data.slice(2, 6)), std::out_of_range);
  EXPECT_THROW(static_cast<void>(data.slice(3, 2)), std::out_of_range);
  EXPECT_THROW(static_cast<void>(data.slice(SIZE_MAX, SIZE_MAX)), std::out_of_range);
}

TEST(Array, HasSeveralDimensions) {
  const Array<double> data(extents{3, 4});
  EXPECT_EQ(data.size(), 12U);
  const MdSpan<double, 2> grid = data.mdspan<2>();
  grid(2, 1) = 5;
  EXPECT_EQ(data[9], 5);
  EXPECT_EQ(grid.at(2, 1), 5);
  EXPECT_EQ(grid.row(2)(1), 5);
  EXPECT_EQ(grid.row(2).elements().size(), 4U);
  EXPECT_THROW(static_cast<void>(grid.at(3, 0)), std::out_of_range);
  EXPECT_THROW(static_cast<void>(grid.at(0, 4)), std::out_of_range);
  EXPECT_THROW(static_cast<void>(grid.at(-1, 0)), std::out_of_range);
  const Array<double> there = test::send(data);
  EXPECT_EQ(there.mdspan<2>()(2, 1), 5);
  EXPECT_EQ(there.mdspan<2>().extent(1), 4U);
  EXPECT_THROW(static_cast<void>(data.mdspan<1>()), UsageError);
  EXPECT_THROW(static_cast<void>(Array<double>(12).mdspan<2>()), UsageError);
  const RawArray<int> cube(extents{2, 3, 4, 5});
  EXPECT_EQ(cube.mdspan<4>().size(), 120U);
  EXPECT_THROW(Array<double>(extents{SIZE_MAX / 2, SIZE_MAX / 2}), OutOfMemory);
  EXPECT_THROW(Array<double>(extents{-1}), OutOfMemory);
}

TEST(Array, HasTheLockThatItIsGiven) {
  const RLock lock;
  const Array<int> a(locked_by(lock), 10);
  const Array<int> b(locked_by(lock), extents{2, 5});
  EXPECT_EQ(a.get_lock(), lock);
  EXPECT_EQ(b.get_lock(), a.get_lock());
  const Array<int> there = test::send(b);
  EXPECT_EQ(there.get_lock(), lock);
  EXPECT_EQ(there, b);
  const std::scoped_lock hold{there};
  EXPECT_TRUE(lock.locked());
}

TEST(Array, HoldsAtomics) {
  const RawArray<std::atomic<int>> counts(4);
  const auto count = [&] {
    for (int i = 0; i < 10000; ++i) {
      counts[1] += 1;
    }
  };
  test::Child child{count};
  count();
  EXPECT_EQ(child.wait(), exited(0));
  EXPECT_EQ(counts[1], 20000);
  EXPECT_EQ(test::send(counts)[1], 20000);
  EXPECT_THROW(static_cast<void>(test::send_as<RawArray<int>>(counts)), TypeMismatch);
}

}  // namespace
}  // namespace mp
