// SPDX-License-Identifier: Apache-2.0
// codec/samples.hpp — one value or more of every type that mp knows.
#pragma once

#include <bitset>
#include <complex>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>

#include "mp/codec.hpp"
#include "mp/errors.hpp"

namespace mp::test {

enum class Color : std::int16_t { red, green };
enum Plain : unsigned { one, two };
enum class Flag : bool { off, on };

struct Empty {
  bool operator==(const Empty&) const = default;
};
struct Dense {
  int a;
  float b;
  bool operator==(const Dense&) const = default;
};
struct Mixed {
  bool flag;
  std::int64_t number;
  Color color;
  std::string text;
  Dense dense;
  std::vector<Dense> many;
  bool operator==(const Mixed&) const = default;
};
struct Arrays {
  int numbers[3];
  char name[16];
  std::string texts[2];
  bool flags[2][2];
  bool operator==(const Arrays&) const = default;
};
struct Tree {
  int value;
  std::vector<Tree> children;
  bool operator==(const Tree&) const = default;
};
struct Deep {
  std::shared_ptr<Deep> next;
};
struct Seventeen {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p;
  std::string q;
  bool operator==(const Seventeen&) const = default;
};
struct Initialised {
  int a = 3;
  std::string b = "b";
  bool operator==(const Initialised&) const = default;
};
struct NotPlain {
  NotPlain(float the_x, float the_y) : x{the_x}, y{the_y} {}
  float x, y;
  bool operator==(const NotPlain&) const = default;
};

enum class OwnErrc {};
inline std::error_code make_error_code(OwnErrc) {
  struct Category : std::error_category {
    const char* name() const noexcept override { return "own"; }
    std::string message(int) const override { return "own"; }
  };
  static const Category category;
  return {1, category};
}

}  // namespace mp::test

template <>
inline constexpr bool mp::enable_raw_codec<mp::test::NotPlain> = true;
template <>
struct std::is_error_code_enum<mp::test::OwnErrc> : std::true_type {};

namespace mp::test {

template <class T>
bool same(const T& a, const T& b) {
  return a == b;
}
template <class T>
bool same(const std::shared_ptr<T>& a, const std::shared_ptr<T>& b) {
  return (a == nullptr) == (b == nullptr) && (a == nullptr || *a == *b);
}

// Calls `check(value)` for each sample.
template <class Check>
void for_each_sample(Check check) {
  using namespace std::string_literals;
  using namespace std::chrono_literals;
  check(true);
  check('c');
  check(u8'c');
  check(u'c');
  check(U'c');
  check(L'c');
  check(std::int8_t{-3});
  check(std::uint8_t{200});
  check(std::int16_t{-3000});
  check(std::uint16_t{60000});
  check(-70000);
  check(4000000000u);
  check(std::numeric_limits<std::int64_t>::min());
  check(std::numeric_limits<std::uint64_t>::max());
  check(1ll << 40);
  check(1.5f);
  check(-2.5);
  check(3.25L);
  check(std::byte{7});
  check(Color::green);
  check(two);
  check(Flag::on);
  check(""s);
  check(std::string(1000, 'x'));
  check(u"wide"s);
  check(L"wide"s);
  check(std::vector<int>{});
  check(std::vector<int>{1, 2, 3});
  check(std::vector<long double>{1, 2});
  check(std::vector<bool>{true, false, true, true, false, false, true, false, true});
  check(std::vector<std::string>{"a", "", "ccc"});
  check(std::vector<std::vector<std::uint8_t>>{{1}, {}, {2, 3}});
  check(std::vector<Empty>(5));
  check(Bytes(3, std::byte{1}));
  check(std::array<int, 3>{1, 2, 3});
  check(std::array<std::string, 2>{"a", "b"});
  check(std::array<int, 0>{});
  check(std::list<std::string>{"a", "b"});
  check(std::forward_list<int>{1, 2, 3});
  check(std::deque<double>{1, 2, 3});
  check(std::map<std::string, int>{{"a", 1}, {"b", 2}});
  check(std::multimap<int, std::string>{{1, "a"}, {1, "b"}});
  check(std::set<std::string, std::less<>>{"a", "b"});
  check(std::multiset<int>{1, 1, 2});
  check(std::unordered_map<std::string, std::vector<int>>{{"a", {1}}});
  check(std::unordered_multimap<int, int>{{1, 2}});
  check(std::unordered_set<int>{5});
  check(std::unordered_multiset<int>{5, 5});
  check(std::optional<std::string>{});
  check(std::optional<std::string>{"x"});
  check(std::variant<int, std::string, std::monostate>{"x"});
  check(std::variant<int, std::string, std::monostate>{std::monostate{}});
  check(std::tuple<>{});
  check(std::tuple<int>{1});
  check(std::tuple<int, std::string, bool>{1, "x", true});
  check(std::pair<int, std::string>{1, "x"});
  check(std::vector<std::pair<char, int>>{{'a', 1}, {'b', 2}});
  check(std::monostate{});
  check(std::bitset<9>{0x155});
  check(std::bitset<200>{7});
  check(std::complex<double>{1, 2});
  check(std::vector<std::complex<float>>{{1, 2}, {3, 4}});
  check(std::complex<long double>{1, 2});
  check(15ms);
  check(std::chrono::duration<double>{1.5});
  check(std::chrono::system_clock::time_point{123s});
  check(std::chrono::steady_clock::time_point{123s});
  check(std::chrono::year{2024} / 2 / 29);
  check(std::chrono::weekday{3});
  check(std::filesystem::path{"/a/b/c.txt"});
  check(std::error_code{Errc::owner_died});
  check(std::error_code{2, std::system_category()});
  check(std::make_error_code(std::io_errc::stream));
  check(std::shared_ptr<std::string>{});
  check(std::make_shared<std::string>("x"));
  check(std::make_shared<const int>(4));
  check(Empty{});
  check(Dense{1, 2});
  check(std::vector<Dense>{{1, 2}, {3, 4}});
  check(Mixed{true, 1, Color::green, "text", {1, 2}, {{3, 4}, {5, 6}}});
  check(Arrays{{1, 2, 3}, "name", {"a", "b"}, {{true, false}, {false, true}}});
  check(Tree{1, {{2, {{3, {}}}}, {4, {}}}});
  check(Seventeen{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, "17"});
  check(Initialised{});
  check(NotPlain{1, 2});
  check(std::vector<NotPlain>{{1, 2}, {3, 4}});
}

}  // namespace mp::test
