// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/constant.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "mp/errors/error.hpp"
#include "mp/sync/lock.hpp"

#include "memory/allocator.hpp"
#include "shared/travel.hpp"
#include "support/child.hpp"

namespace mp {
namespace {

struct Point {
  double x;
  double y;
};

TEST(Constant, IsReadWhereItLies) {
  const Constant<Point> point = shared(Point{1.5, 2.5});
  EXPECT_EQ(point->y, 2.5);
  const Constant<std::vector<int>> numbers = shared(std::vector<int>{1, 2, 3});
  EXPECT_EQ((*numbers)[2], 3);
  EXPECT_EQ(numbers.get().data(), Constant{numbers}.get().data());
  const Constant<std::string> text = shared(std::string{"text"});
  EXPECT_EQ(*text, "text");
  EXPECT_TRUE(shared(std::vector<int>{}).get().empty());
}

TEST(Constant, IsDecodedOnceWhereItMustBe) {
  using Map = std::map<std::string, std::vector<int>>;
  const Constant<Map> map = shared(Map{{"a", {1, 2}}, {"b", {}}});
  EXPECT_EQ(map->at("a")[1], 2);
  const Constant<Map> copy = map;
  EXPECT_EQ(&*copy, &*map);
  std::thread{[&] { EXPECT_EQ(&*copy, &*map); }}.join();
}

TEST(Constant, Travels) {
  const Constant<std::vector<double>> numbers = shared(std::vector<double>(100'000, 2.0));
  const std::uint64_t before = memory::heap_use().bytes;
  const Constant<std::vector<double>> there = test::send(numbers);
  EXPECT_EQ(memory::heap_use().bytes, before) << "a handle, not the numbers";
  EXPECT_EQ(there, numbers);
  EXPECT_EQ(there.get()[99'999], 2.0);
  EXPECT_EQ(test::in_child([&] { EXPECT_EQ(numbers.get()[5], 2.0); }), test::exited(0));
  EXPECT_THROW(static_cast<void>(test::send_as<Constant<std::vector<float>>>(numbers)),
               TypeMismatch);
}

TEST(Constant, CannotBeWritten) {
  const Constant<std::vector<int>> numbers = shared(std::vector<int>(10, 1));
  EXPECT_EQ(test::in_child([&] {
              std::signal(SIGSEGV, SIG_DFL);
              const_cast<volatile int*>(numbers.get().data())[0] = 2;
            }),
            test::killed_by(SIGSEGV));
  EXPECT_EQ(numbers.get()[0], 1);
}

TEST(Constant, HoldsNoHandles) {
  EXPECT_THROW(static_cast<void>(shared(std::vector<Lock>(1))), UsageError);
}

TEST(Constant, GoesWithItsLastHandle) {
  const std::uint64_t before = memory::heap_use().blocks;
  {
    const auto value = shared(std::string(100'000, 'x'));
    EXPECT_EQ(memory::heap_use().blocks, before + 1);
  }
  EXPECT_EQ(memory::heap_use().blocks, before);
}

}  // namespace
}  // namespace mp
