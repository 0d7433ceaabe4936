// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/type_tag.hpp"

#include <gtest/gtest.h>

#include "mp/codec.hpp"

#include "codec/samples.hpp"

namespace mp {
namespace {

struct MyDense {
  std::int32_t x;
  float y;
};
struct B;
struct A {
  std::vector<B> bs;
};
struct B {
  std::vector<A> as;
  int x;
};

TEST(TypeTag, TellsTypesApart) {
  std::map<std::uint64_t, std::string> seen;
  test::for_each_sample([&seen]<class T>(const T&) {
    const auto [place, fresh] = seen.emplace(type_tag<T>(), type_name<T>());
    EXPECT_EQ(place->second, type_name<T>());
  });
  EXPECT_NE(type_tag<int>(), type_tag<unsigned>());
  EXPECT_NE(type_tag<int>(), type_tag<test::Plain>());
  EXPECT_NE((type_tag<std::array<int, 3>>()), (type_tag<std::array<int, 4>>()));
  EXPECT_NE(type_tag<std::chrono::seconds>(), type_tag<std::chrono::milliseconds>());
  EXPECT_NE((type_tag<std::tuple<int, std::tuple<int, int>>>()),
            (type_tag<std::tuple<int, std::tuple<int>, int>>()));
}

TEST(TypeTag, IsStructural) {
  EXPECT_EQ(type_tag<long>(), type_tag<long long>());
  EXPECT_EQ(type_tag<test::Dense>(), type_tag<MyDense>());
  EXPECT_NE(type_tag<A>(), type_tag<B>());
}

template <class T>
void expect_tag(std::uint64_t tag) {
  EXPECT_EQ(type_tag<T>(), tag) << std::hex << "0x" << type_tag<T>() << " " << type_name<T>();
}

// Made by g++ and checked by every compiler: the tags are on the wire between processes that may
// have been built by different ones.
TEST(TypeTag, IsTheSameFromEveryCompiler) {
  expect_tag<int>(0x073f257a6ab66d47u);
  expect_tag<std::uint64_t>(0x275f0488e9fa7bd6u);
  expect_tag<bool>(0x42062a535a2447a0u);
  expect_tag<long double>(0x502f44b54ba6e6a7u);
  expect_tag<wchar_t>(0xca74411da073d5abu);
  expect_tag<test::Color>(0x782d461e44f9411bu);
  expect_tag<test::Plain>(0x0c55e57d319f6656u);
  expect_tag<std::string>(0x48201e24aea2d6b1u);
  expect_tag<std::vector<std::map<std::string, double>>>(0x684ae0dcf9d6f867u);
  expect_tag<std::variant<std::monostate, int, std::optional<bool>>>(0x20f5fd0bd5ada31au);
  expect_tag<std::chrono::milliseconds>(0x999ccdb02df37584u);
  expect_tag<std::chrono::steady_clock::time_point>(0x95767a986ad27bc7u);
  expect_tag<std::filesystem::path>(0x9b44f88cf99c24c9u);
  expect_tag<std::bitset<9>>(0xb27523b4c84444deu);
  expect_tag<std::unordered_multimap<int, std::unique_ptr<int>>>(0x3447853ed19b4036u);
  expect_tag<test::Mixed>(0x499523e5bd76ab4cu);
  expect_tag<test::Arrays>(0x20dc8d7b8afaba4au);
  expect_tag<test::Tree>(0xbbdf659d38242792u);
  expect_tag<test::Seventeen>(0x692fd7943a56b2cau);
  expect_tag<A>(0x23a7652a8198aa0bu);
}

TEST(TypeName, IsReadable) {
  EXPECT_EQ(type_name<int>(), "int");
  EXPECT_EQ(type_name<test::Mixed>(), "mp::test::Mixed");
  EXPECT_EQ((type_name<std::map<std::string, std::vector<double>>>()),
            "map<string, vector<double>>");
  EXPECT_EQ(type_name<std::chrono::milliseconds>(), "duration<int64_t, 1/1000>");
  EXPECT_EQ((type_name<std::array<int, 3>>()), "array<int, 3>");
}

}  // namespace
}  // namespace mp
