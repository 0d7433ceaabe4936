// SPDX-License-Identifier: Apache-2.0
#include "mp/process/call.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <dlfcn.h>

#include "mp/codec.hpp"
#include "mp/process/fn.hpp"
#include "mp/process/partial.hpp"

#include "process/callables.hpp"
#include "process/runner.hpp"

namespace mp {
namespace {

using test::run;
using test::Where;

double power(double base, int n) {
  double result = 1;
  while (n-- > 0) {
    result *= base;
  }
  return result;
}
int square(int x) noexcept {
  return x * x;
}

struct Account {
  std::string owner;
  int balance = 0;

  int plus(int amount) const { return balance + amount; }
  std::string rename(std::string name) {
    owner.swap(name);
    return owner + " was " + name;
  }
  bool is_rich() const noexcept { return balance > 1000; }
  static int count(int n) { return n + 1; }
};

struct Scale {  // an aggregate functor: its field travels
  int factor;
  int operator()(int x) const { return factor * x; }
};
struct Add {
  template <class A, class B>
  auto operator()(const A& a, const B& b) const {
    return a + b;
  }
};
class Offset {  // a functor with a codec of its own
 public:
  explicit Offset(int by) : by_{by} {}
  int operator()(int x) const { return x + by_; }
  int by() const { return by_; }

 private:
  int by_;
};

struct Shape {
  int sides = 0;
  virtual int corners() const { return sides; }
  virtual ~Shape() = default;
};

}  // namespace

template <>
struct codec<Offset> {
  static constexpr std::string_view kName = "test.Offset";
  static void write(auto& out, const Offset& offset) { mp::write(out, offset.by()); }
  static Offset read(Reader& in) { return Offset{mp::read<int>(in)}; }
};
template <>
struct codec<Shape> {
  static constexpr std::string_view kName = "test.Shape";
  static void write(auto& out, const Shape& shape) { mp::write(out, shape.sides); }
  static Shape read(Reader& in) {
    Shape shape;
    shape.sides = mp::read<int>(in);
    return shape;
  }
};

namespace {

static_assert(ShippableCallable<decltype(power)> && ShippableCallable<Fn<square>>);
static_assert(ShippableCallable<Scale> && ShippableCallable<Offset> && ShippableCallable<Add>);
static_assert(ShippableCallable<decltype([] {})>);
static_assert(ShippableCallable<decltype(&Account::plus)>);
static_assert(ShippableCallable<decltype(partial(power, 2.0))>);
static_assert(!ShippableCallable<decltype([x = 1] { return x; })>);
static_assert(!ShippableCallable<decltype([p = static_cast<int*>(nullptr)] { return p; })>);
static_assert(!ShippableCallable<decltype(partial([x = 1](int y) { return x + y; }, 1))>);
static_assert(!ShippableCallable<decltype(partial(square, static_cast<int*>(nullptr)))>);
static_assert(!ShippableCallable<std::function<void()>>);
static_assert(std::is_same_v<CallResult<decltype(power)&, double, int>, double>);
static_assert(std::is_same_v<MapResult<decltype(square), int>, int>);
static_assert(std::is_same_v<StarmapResult<Add, std::tuple<int, double>>, double>);

class Call : public testing::TestWithParam<Where> {
 protected:
  template <class R, class F, class... Args>
  static R result(const F& f, const Args&... args) {
    return run<R>(GetParam(), make_call(f, args...));
  }
};
INSTANTIATE_TEST_SUITE_P(AllProcesses, Call,
                         testing::Values(Where::here, Where::forked, Where::spawned),
                         testing::PrintToStringParamName());

TEST_P(Call, RunsAFunction) {
  EXPECT_EQ(result<double>(power, 2.0, 10), 1024);
}

TEST_P(Call, RunsAFunctionThatIsChosenAtRunTime) {
  std::vector<int (*)(int)> functions{square, &Account::count, [](int x) { return -x; }};
  EXPECT_EQ(result<int>(functions[0], 9), 81);
  EXPECT_EQ(result<int>(functions[1], 9), 10);
  EXPECT_EQ(result<int>(functions[2], 9), -9);
}

TEST_P(Call, RunsAFunctionOfTheCLibrary) {
  int (*const absolute)(int) = &std::abs;
  EXPECT_EQ(result<int>(absolute, -4), 4);
}

TEST_P(Call, RunsAFunctionNamedAtCompileTime) {
  EXPECT_EQ(result<int>(fn<square>, 12), 144);
  EXPECT_EQ(result<int>(fn<&Account::plus>, Account{"a", 5}, 6), 11);
}

TEST_P(Call, RunsLambdasWithoutCaptures) {
  EXPECT_EQ(result<int>([](int x) { return x + 1; }, 1), 2);
  EXPECT_EQ(result<double>([](auto x) { return x + 0.5; }, 1), 1.5);
  EXPECT_EQ(result<int>([=] { return 3; }), 3);
  EXPECT_EQ(result<int>([&](int x) { return x; }, 4), 4);
}

template <class T>
T twice_in_a_template(Where where, T value) {
  return run<T>(where, make_call([](const T& x) { return x + x; }, value));
}

TEST_P(Call, RunsALambdaInsideATemplate) {
  EXPECT_EQ(twice_in_a_template(GetParam(), 21), 42);
  EXPECT_EQ(twice_in_a_template(GetParam(), std::string{"ab"}), "abab");
}

TEST_P(Call, RunsFunctors) {
  EXPECT_EQ(result<int>(Add{}, 1, 2), 3);
  EXPECT_EQ(result<std::string>(Add{}, std::string{"a"}, "b"), "ab");
  EXPECT_EQ(result<int>(std::plus<>{}, 3, 4), 7);
  EXPECT_EQ(result<int>(Scale{10}, 7), 70);
  EXPECT_EQ(result<int>(Offset{100}, 7), 107);
}

TEST_P(Call, RunsMemberFunctionsOnACopyOfTheObject) {
  const Account account{"ann", 900};
  EXPECT_EQ(result<int>(&Account::plus, account, 200), 1100);
  EXPECT_EQ(result<bool>(&Account::is_rich, account), false);
  EXPECT_EQ(result<std::string>(&Account::rename, account, "bob"), "bob was ann");
  EXPECT_EQ(result<std::string>(&Account::owner, account), "ann");
  EXPECT_EQ(account.owner, "ann");
}

TEST_P(Call, RunsVirtualMemberFunctions) {
  Shape shape;
  shape.sides = 6;
  EXPECT_EQ(result<int>(&Shape::corners, shape), 6);
}

TEST_P(Call, RunsPartials) {
  EXPECT_EQ(result<double>(partial(power, 2.0), 8), 256);
  EXPECT_EQ(result<double>(partial(power, 2.0, 3)), 8);
  EXPECT_EQ(result<int>(partial([](int a, int b) { return a - b; }, 10), 3), 7);
  EXPECT_EQ(result<int>(partial(partial(fn<square>), 5)), 25);
  EXPECT_EQ(result<std::string>(partial(Add{}, std::string{"x"}), "y"), "xy");
  EXPECT_EQ(result<int>(partial(&Account::plus, Account{"a", 1}), 2), 3);
  const std::map<std::string, int> table{{"one", 1}, {"two", 2}};
  EXPECT_EQ(result<int>(partial([](const std::map<std::string, int>& t,
                                   const std::string& key) { return t.at(key); },
                                table),
                        "two"),
            2);
}

TEST_P(Call, RunsCodeOfASharedLibrary) {
  EXPECT_EQ(result<int>(test::library_triple, 5), 15);
  EXPECT_EQ(result<int>(test::library_static(), 5), 12);
  EXPECT_EQ(run<int>(GetParam(), test::library_lambda(5)), 26);
  EXPECT_EQ(run<std::string>(GetParam(), test::library_partial("hi")), "hi!");
}

TEST_P(Call, LoadsThePluginThatTheCodeIsIn) {
  void* plugin = dlopen(MP_TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(plugin, nullptr) << dlerror();
  RawCall call;
  reinterpret_cast<void (*)(RawCall*, int)>(dlsym(plugin, "make_plugin_call"))(&call, 3);
  dlclose(plugin);
  EXPECT_EQ(run<std::string>(GetParam(), call), "plugin 3");
}

TEST_P(Call, TakesAndReturnsValuesOfManyKinds) {
  using Table = std::map<std::string, std::vector<int>>;
  const Table table{{"a", {1, 2}}, {"b", {}}};
  EXPECT_EQ(result<Table>([](Table t) { return t["c"] = {3}, t; }, table),
            (Table{{"a", {1, 2}}, {"b", {}}, {"c", {3}}}));
  EXPECT_EQ((result<std::tuple<int, std::string>>([](std::tuple<int, std::string> t) { return t; },
                                                  std::tuple{1, std::string{"x"}})),
            (std::tuple{1, std::string{"x"}}));
  EXPECT_EQ(*result<std::unique_ptr<int>>([](int x) { return std::make_unique<int>(x); }, 8), 8);
  EXPECT_EQ(result<int>([](std::unique_ptr<int> p) { return *p; }, std::make_unique<int>(9)), 9);
  EXPECT_EQ(result<std::size_t>([](const std::string& s) { return s.size(); }, "four"), 4U);
  EXPECT_NO_THROW(result<void>([] {}));
}

TEST_P(Call, DecaysAReferenceResult) {
  EXPECT_EQ(result<std::string>(
                [](const std::string&) -> const std::string& {
                  static const std::string text = "static";
                  return text;
                },
                "x"),
            "static");
}

TEST_P(Call, ThrowsWhatTheCallableThrows) {
  EXPECT_THROW(result<int>([](int x) -> int { throw std::out_of_range{std::to_string(x)}; }, 1),
               std::out_of_range);
  EXPECT_THROW(result<void>([] { throw 3; }), RemoteError);
  try {
    result<void>([] { throw std::domain_error{"no"}; });
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::domain_error& error) {
    EXPECT_STREQ(error.what(), "no");
    ASSERT_NE(remote_info(error), nullptr);
    EXPECT_EQ(remote_info(error)->pid == os::pid(), GetParam() == Where::here);
  }
}

struct Fussy {
  int value;
};

}  // namespace

template <>
struct codec<Fussy> {
  static constexpr std::string_view kName = "test.Fussy";
  static void write(auto& out, const Fussy& fussy) {
    mp::write(out, std::string(100, 'x'));
    if (fussy.value == 13) {
      throw std::logic_error{"13 is not written"};
    }
    mp::write(out, fussy.value);
  }
  static Fussy read(Reader& in) {
    (void)mp::read<std::string>(in);
    const Fussy fussy{mp::read<int>(in)};
    if (fussy.value == 7) {
      throw std::logic_error{"7 is not read"};
    }
    return fussy;
  }
};

namespace {

TEST_P(Call, FailsAsAWholeWhenTheResultCannotBeWritten) {
  EXPECT_THROW(result<Fussy>([](int x) { return Fussy{x}; }, 13), std::logic_error);
  EXPECT_EQ(result<Fussy>([](int x) { return Fussy{x}; }, 14).value, 14);
}

TEST_P(Call, FailsAsAWholeWhenAnArgumentCannotBeRead) {
  EXPECT_THROW(result<int>([](Fussy f) { return f.value; }, Fussy{7}), std::logic_error);
}

TEST(CallBytes, AreAsManyAsWereAnnounced) {
  const auto check = [](const auto& f, const auto&... args) {
    Writer out;
    write_call(out, f, args...);
    EXPECT_EQ(call_size(f, args...), out.take().size());
  };
  check(power, 1.0, 2);
  check(test::library_static(), 3);
  check(partial(Add{}, std::string{"abc"}), "def");
  check(&Account::plus, Account{"a", 1}, 2);
  check(&Shape::corners, Shape{});
  check(&Account::owner, Account{"a", 1});
}

TEST(CallBytes, OfCodeInTheExecutableAreShort) {
  EXPECT_EQ(call_size([](int x) { return x; }, 1), 12U);
  EXPECT_EQ(call_size(square, 1), 20U);
}

TEST(CallBytes, NameTheCallable) {
  EXPECT_NE(make_call(fn<square>, 1).name().find("square"), std::string::npos);
  EXPECT_NE(make_call([](int x) { return x; }, 1).name().find("lambda"), std::string::npos);
  EXPECT_EQ(RawCall{}.name(), "");
  EXPECT_FALSE(RawCall{});
}

TEST(CallBytes, AreRefusedForANullFunctionAndANullString) {
  int (*none)(int) = nullptr;
  const char* text = nullptr;
  EXPECT_THROW((void)make_call(none, 1), UsageError);
  EXPECT_THROW((void)make_call([](const std::string&) {}, text), UsageError);
  EXPECT_THROW((void)partial([](const std::string&) {}, text), UsageError);
}

TEST(CallBytes, ThatAreCutShortFailWithoutRunning) {
  static int runs = 0;
  const RawCall call = make_call([](int, const std::string&) { ++runs; }, 1, "text");
  for (std::size_t size = 0; size < call.bytes().size(); ++size) {
    Reader in{ByteView{call.bytes()}.first(size)};
    Writer out;
    EXPECT_FALSE(run_call(in, out, {}));
    const Bytes bytes = out.take();
    Reader outcome{bytes};
    EXPECT_THROW(expect_success(outcome), DecodeError) << size;
  }
  Bytes longer = call.bytes();
  longer.push_back(std::byte{});
  EXPECT_THROW(
      {
        const Bytes bytes = test::run_bytes(Where::here, longer);
        Reader outcome{bytes};
        expect_success(outcome);
      },
      DecodeError);
  EXPECT_EQ(runs, 0);
}

TEST(CallBytes, TellTheirCallableWhenTheyRun) {
  const RawCall call = make_call(fn<square>, 3);
  Reader in{call.bytes()};
  Writer out;
  const std::type_info* callable = nullptr;
  EXPECT_TRUE(run_call(in, out, {}, &callable));
  ASSERT_NE(callable, nullptr);
  EXPECT_EQ(detail::type_name(*callable), call.name());
}

// One batch of a map, run in `where`; returns its outcome.
template <class Item, Spread kSpread = Spread::no, class F, class Range>
Bytes run_batch(Where where, const F& f, const Range& items) {
  Writer out;
  write_batch_head<Item, kSpread>(out, f);
  write_batch_items<Item>(
      out, std::begin(items),
      static_cast<std::size_t>(std::distance(std::begin(items), std::end(items))));
  return test::run_bytes(where, out.take());
}

template <class R>
std::vector<R> results_of(const Bytes& bytes) {
  Reader in{bytes};
  BatchOutcome outcome{in};
  std::vector<R> results;
  while (const auto item = outcome.next()) {
    results.push_back(item->get<R>());
  }
  EXPECT_EQ(results.size(), outcome.size());
  return results;
}

class Batch : public testing::TestWithParam<Where> {};
INSTANTIATE_TEST_SUITE_P(AllProcesses, Batch,
                         testing::Values(Where::here, Where::forked, Where::spawned),
                         testing::PrintToStringParamName());

TEST_P(Batch, CallsForEachItem) {
  const std::list<int> items{1, 2, 3, 4};
  EXPECT_EQ(results_of<int>(run_batch<int>(GetParam(), square, items)),
            (std::vector<int>{1, 4, 9, 16}));
  EXPECT_EQ(results_of<double>(run_batch<int>(GetParam(), partial(power, 2.0), items)),
            (std::vector<double>{2, 4, 8, 16}));
  EXPECT_EQ(results_of<int>(run_batch<int>(GetParam(), square, std::vector<int>{})).size(), 0U);
}

TEST_P(Batch, TakesItemsThatAreProxiesOrCStrings) {
  const std::vector<bool> flags{true, false, true};
  EXPECT_EQ(results_of<int>(run_batch<bool>(
                GetParam(), [](bool b) { return b ? 1 : 2; }, flags)),
            (std::vector<int>{1, 2, 1}));
  const std::vector<const char*> words{"a", "bcd"};
  EXPECT_EQ(results_of<std::size_t>(run_batch<const char*>(
                GetParam(), [](const std::string& s) { return s.size(); }, words)),
            (std::vector<std::size_t>{1, 3}));
}

TEST_P(Batch, SpreadsTuples) {
  const std::vector<std::tuple<double, int>> items{{2, 10}, {3, 3}};
  const Bytes outcome = run_batch<std::tuple<double, int>, Spread::yes>(GetParam(), power, items);
  EXPECT_EQ(results_of<double>(outcome), (std::vector<double>{1024, 27}));
  const std::vector<std::pair<std::string, int>> pairs{{"a", 1}};
  const Bytes named = run_batch<std::pair<std::string, int>, Spread::yes>(
      GetParam(), [](const std::string& s, int n) { return s + std::to_string(n); }, pairs);
  EXPECT_EQ(results_of<std::string>(named), (std::vector<std::string>{"a1"}));
}

TEST_P(Batch, RecordsTheExceptionOfEachItem) {
  const auto odd_only = [](int x) {
    if (x % 2 == 0) {
      throw std::out_of_range{std::to_string(x)};
    }
    return x;
  };
  const Bytes bytes = run_batch<int>(GetParam(), odd_only, std::vector<int>{1, 2, 3, 4});
  Reader in{bytes};
  BatchOutcome outcome{in};
  ASSERT_EQ(outcome.size(), 4U);
  for (int x = 1; x <= 4; ++x) {
    const auto item = outcome.next();
    ASSERT_TRUE(item);
    EXPECT_EQ(item->failed, x % 2 == 0);
    if (item->failed) {
      EXPECT_THROW((void)item->get<int>(), std::out_of_range);
    } else {
      EXPECT_EQ(item->get<int>(), x);
    }
  }
  EXPECT_FALSE(outcome.next());
}

TEST_P(Batch, RunsCallablesThatReturnNothing) {
  const Bytes bytes = run_batch<int>(
      GetParam(), [](int) {}, std::vector<int>{1, 2});
  Reader in{bytes};
  BatchOutcome outcome{in};
  EXPECT_EQ(outcome.size(), 2U);
  while (const auto item = outcome.next()) {
    EXPECT_NO_THROW(item->get<void>());
  }
}

TEST_P(Batch, FailsTheItemWhoseResultCannotBeWrittenAndGoesOn) {
  const Bytes bytes = run_batch<int>(
      GetParam(), [](int x) { return Fussy{x}; }, std::vector<int>{12, 13, 14});
  Reader in{bytes};
  BatchOutcome outcome{in};
  EXPECT_EQ(outcome.next()->get<Fussy>().value, 12);
  EXPECT_THROW((void)outcome.next()->get<Fussy>(), std::logic_error);
  EXPECT_EQ(outcome.next()->get<Fussy>().value, 14);
}

TEST_P(Batch, FailsAllItemsBehindOneThatCannotBeRead) {
  const Bytes bytes = run_batch<Fussy>(
      GetParam(), [](Fussy f) { return f.value; }, std::vector<Fussy>{{6}, {7}, {8}});
  Reader in{bytes};
  BatchOutcome outcome{in};
  EXPECT_EQ(outcome.next()->get<int>(), 6);
  EXPECT_THROW((void)outcome.next()->get<int>(), std::logic_error);
  EXPECT_THROW((void)outcome.next()->get<int>(), std::logic_error);
  EXPECT_FALSE(outcome.next());
}

TEST(Partial, IsCallableHere) {
  auto twice = partial(power, 2.0);
  EXPECT_EQ(twice(3), 8);
  EXPECT_EQ(std::as_const(twice)(4), 16);
  EXPECT_EQ(partial(fn<square>, 5)(), 25);
  EXPECT_EQ(partial([](const std::string& s) { return s.size(); }, "abc")(), 3U);
}

TEST(Partial, MovesItsValuesOutWhenItIsAnRvalue) {
  auto take = partial([](std::unique_ptr<int> p) { return *p; }, std::make_unique<int>(5));
  EXPECT_EQ(std::move(take)(), 5);
  static_assert(!std::is_invocable_v<decltype(take)&>);
}

TEST(Partial, CopiesWhatItBinds) {
  std::string text = "before";
  const auto say = partial([](const std::string& s) { return s; }, text);
  text = "after";
  EXPECT_EQ(say(), "before");
}

}  // namespace
}  // namespace mp
