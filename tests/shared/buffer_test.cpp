// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/buffer.hpp"

#include <array>
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

#include "mp/errors/error.hpp"

#include "memory/allocator.hpp"
#include "shared/travel.hpp"
#include "support/child.hpp"

namespace mp {
namespace {

TEST(Buffer, IsZeroesAtFirst) {
  const Buffer buffer{1000};
  EXPECT_EQ(buffer.size(), 1000U);
  EXPECT_EQ(buffer.bytes()[999], std::byte{0});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.bytes().data()) % 64, 0U);
  EXPECT_TRUE(Buffer{0}.bytes().empty());
}

TEST(Buffer, IsACopyOfARange) {
  const std::vector<double> numbers{1, 2, 3};
  const Buffer buffer{numbers};
  EXPECT_EQ(buffer.as<double>()[2], 3);
  EXPECT_EQ(buffer.as<const double>().size(), 3U);
  EXPECT_THROW(static_cast<void>(buffer.as<std::array<double, 2>>()), UsageError);
  EXPECT_EQ(Buffer{ByteView{buffer.bytes()}}.size(), 24U);
}

TEST(Buffer, ChangesHandsWithoutACopy) {
  Buffer there{0};
  {
    const Buffer buffer{1 << 20};
    buffer.as<int>()[7] = 42;
    const std::uint64_t before = memory::heap_use().bytes;
    there = test::send(buffer);
    EXPECT_LE(memory::heap_use().bytes, before);
    EXPECT_EQ(there, buffer);
    EXPECT_EQ(there.bytes().data(), buffer.bytes().data());
  }
  EXPECT_EQ(test::in_child([&] { there.as<int>()[7] += 1; }), test::exited(0));
  EXPECT_EQ(there.as<int>()[7], 43);
}

TEST(Buffer, CannotBeLargerThanMemory) {
  EXPECT_THROW(Buffer{SIZE_MAX}, OutOfMemory);
  EXPECT_THROW(Buffer{std::size_t{1} << 50}, OutOfMemory);
}

}  // namespace
}  // namespace mp
