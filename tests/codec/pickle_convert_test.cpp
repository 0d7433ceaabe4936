// SPDX-License-Identifier: Apache-2.0
// C++ types as Python values.
#include <complex>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <gtest/gtest.h>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "mp/codec.hpp"
#include "mp/codec/pickle.hpp"
#include "mp/errors/error.hpp"

namespace mp::pickle {
namespace {

struct Point {
  int x = 0;
  double y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};
struct Job {
  int id = 0;
  std::string command;
  friend bool operator==(const Job&, const Job&) = default;
};
struct Grid {
  int cells[2][2] = {};
  std::vector<Point> points;
  friend bool operator==(const Grid&, const Grid&) = default;
};
struct Tree {
  int value = 0;
  std::vector<Tree> children;
  friend bool operator==(const Tree&, const Tree&) = default;
};
enum class Color : int { red = 1, blue = 2 };
struct Money {
  explicit Money(std::int64_t cents) : cents_{cents} {}
  std::int64_t cents_;  // NOLINT(readability-identifier-naming): as a private member
  friend bool operator==(const Money&, const Money&) = default;
};
struct Opaque {
  explicit Opaque(int) {}
};

}  // namespace

template <>
// NOLINTNEXTLINE(readability-identifier-naming): the library's
inline constexpr std::array field_names<Job>{"id", "command"};
template <>
struct Convert<Money> {
  static Value from(const Money& money) { return Value{money.cents_}; }
  static Money to(const Value& value) { return Money{pickle::to<std::int64_t>(value)}; }
};

namespace {

static_assert(Picklable<Tree> && Picklable<std::vector<std::map<std::string, Job>>>);
static_assert(!Picklable<Opaque> && !Picklable<std::vector<Opaque>> && !Picklable<int*>);

template <class T>
void round_trip(const T& value, std::string_view repr) {
  const Value python = from(value);
  EXPECT_EQ(python.repr(), repr);
  EXPECT_EQ(loads<T>(dumps(value)), value);
}

TEST(PickleConvert, TakesEachTypeThereAndBack) {
  round_trip(true, "True");
  round_trip(-7, "-7");
  round_trip(~std::uint64_t{0}, "0x00ffffffffffffffff");
  round_trip('c', "'c'");
  round_trip('\xe9', "233");
  round_trip(1.5F, "1.5");
  round_trip(Color::blue, "2");
  round_trip(std::string{"h\xc3\xa9"}, "'h\xc3\xa9'");
  round_trip(std::string{"\xff\0", 2}, "b'\\xff\\x00'");
  round_trip(std::vector{1, 2}, "[1, 2]");
  round_trip(std::vector<bool>{true, false}, "[True, False]");
  round_trip(std::vector<std::byte>{std::byte{'a'}}, "b'a'");
  round_trip(std::vector<std::uint8_t>{7}, "b'\\x07'");
  round_trip(Bytes{std::byte{1}}, "b'\\x01'");
  round_trip(std::array<int, 2>{1, 2}, "[1, 2]");
  round_trip(std::deque<int>{1}, "[1]");
  round_trip(std::list<std::string>{"a"}, "['a']");
  round_trip(std::forward_list<int>{1, 2, 3}, "[1, 2, 3]");
  round_trip(std::multiset<int>{1, 1}, "[1, 1]");
  round_trip(std::multimap<int, int>{{1, 2}, {1, 3}}, "[(1, 2), (1, 3)]");
  round_trip(std::set<int>{1, 2}, "{1, 2}");
  round_trip(std::unordered_set<int>{1}, "{1}");
  round_trip(std::map<std::string, int>{{"a", 1}}, "{'a': 1}");
  round_trip(std::unordered_map<int, std::vector<int>>{{1, {2}}}, "{1: [2]}");
  round_trip(std::tuple<int, std::string>{1, "a"}, "(1, 'a')");
  round_trip(std::tuple<>{}, "()");
  round_trip(std::pair{1, 2.0}, "(1, 2.0)");
  round_trip(std::optional<int>{}, "None");
  round_trip(std::optional<int>{3}, "3");
  round_trip(std::monostate{}, "None");
  round_trip(Point{1, 2}, "(1, 2.0)");
  round_trip(Job{1, "ls"}, "{'id': 1, 'command': 'ls'}");
  round_trip(Tree{1, {{2, {}}, {3, {}}}}, "(1, [(2, []), (3, [])])");
  round_trip(Money{12}, "12");
  round_trip(std::vector<Money>{Money{12}}, "[12]");
  round_trip(std::filesystem::path{"/tmp"}, "'/tmp'");
  round_trip(std::complex<double>{1, 2}, "complex(1.0, 2.0)");
  round_trip(std::chrono::milliseconds{-1}, "datetime.timedelta(-1, 86399, 999000)");
  round_trip(std::chrono::sys_time<std::chrono::microseconds>{std::chrono::hours{24}},
             "datetime.datetime(b'\\x07\\xb2\\x01\\x02\\x00\\x00\\x00\\x00\\x00\\x00', "
             "datetime.timezone(datetime.timedelta(0, 0, 0)))");
  round_trip(Value::list({nullptr, "x"}), "[None, 'x']");
  const Grid grid{{{1, 2}, {3, 4}}, {{5, 6}}};
  EXPECT_EQ(from(grid).repr(), "([[1, 2], [3, 4]], [(5, 6.0)])");
  EXPECT_EQ(from("text").repr(), "'text'");
  EXPECT_EQ(*to<std::unique_ptr<int>>(from(std::make_unique<int>(5))), 5);
  EXPECT_EQ(to<std::shared_ptr<int>>(Value{}), nullptr);
}

TEST(PickleConvert, ChoosesAlternativesByWhatTheyAre) {
  using Any = std::variant<std::monostate, bool, int, double, std::string, std::vector<int>,
                           std::vector<std::string>, std::map<std::string, int>>;
  for (const Any& any :
       {Any{}, Any{true}, Any{7}, Any{7.0}, Any{"text"}, Any{std::vector{1}},
        Any{std::vector<std::string>{"a"}}, Any{std::map<std::string, int>{{"a", 1}}}}) {
    EXPECT_EQ(loads<Any>(dumps(any)), any);
  }
  EXPECT_THROW(static_cast<void>(to<Any>(Value::set({}))), TypeMismatch);
  using Number = std::variant<double, std::string>;
  EXPECT_EQ(to<Number>(Value{3}), Number{3.0});
}

TEST(PickleConvert, TakesWhatPythonMeans) {
  EXPECT_EQ(to<std::vector<int>>(Value::tuple({1, true})), (std::vector{1, 1}));
  EXPECT_EQ(to<std::vector<std::uint8_t>>(Value::list({1})), (std::vector<std::uint8_t>{1}));
  EXPECT_EQ((to<std::pair<int, int>>(Value::list({1, 2}))), (std::pair{1, 2}));
  EXPECT_EQ(to<double>(Value{3}), 3.0);
  EXPECT_EQ(to<Job>(Value::tuple({1, "ls"})), (Job{1, "ls"}));
  EXPECT_EQ(to<Job>(Value::dict({{"command", "ls"}, {"id", 1}})), (Job{1, "ls"}));
  EXPECT_EQ(to<std::chrono::milliseconds>(Value{1.5}), std::chrono::milliseconds{1500});
  EXPECT_THROW(static_cast<void>(to<std::chrono::nanoseconds>(Value{904'260'636'464})),
               DecodeError);
  EXPECT_THROW(static_cast<void>(to<std::chrono::nanoseconds>(Value{-9'223'372'037})), DecodeError);
  EXPECT_EQ(to<std::chrono::nanoseconds>(Value{-9'223'372'036}).count(),
            -9'223'372'036'000'000'000);
  const Value ordered = Value::object(Object{.type = Value::global("collections", "OrderedDict"),
                                             .pairs = {{Value{"a"}, Value{1}}}});
  EXPECT_EQ((to<std::map<std::string, int>>(ordered)), (std::map<std::string, int>{{"a", 1}}));
}

TEST(PickleConvert, RefusesWhatDoesNotFit) {
  EXPECT_THROW(static_cast<void>(to<std::int8_t>(Value{128})), DecodeError);
  EXPECT_THROW(static_cast<void>(to<unsigned>(Value{-1})), DecodeError);
  EXPECT_THROW(static_cast<void>(to<std::int64_t>(Value{~std::uint64_t{0}})), DecodeError);
  EXPECT_THROW(static_cast<void>(to<int>(Value{1.5})), TypeMismatch);
  EXPECT_THROW(static_cast<void>(to<bool>(Value{1})), TypeMismatch);
  EXPECT_THROW(static_cast<void>(to<std::vector<int>>(Value{"ab"})), TypeMismatch);
  EXPECT_THROW(static_cast<void>(to<Point>(Value::tuple({1}))), DecodeError);
  EXPECT_THROW(static_cast<void>(to<Job>(Value::dict({{"id", 1}}))), DecodeError);
  EXPECT_THROW(static_cast<void>((to<std::array<int, 2>>(Value::list({1})))), DecodeError);
  EXPECT_THROW(static_cast<void>(to<std::monostate>(Value{1})), TypeMismatch);
}

}  // namespace
}  // namespace mp::pickle
