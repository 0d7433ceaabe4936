// SPDX-License-Identifier: Apache-2.0
// A program that executes itself as a child, sends it one call of each kind and checks the results.
// It is linked in every way in which a program can be (see CMakeLists.txt): each must end with 0.
// With an argument it is the subject of somebody else's experiment, see run_as_subject.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <unistd.h>

#include "mp/codec.hpp"
#include "mp/process/call.hpp"
#include "mp/process/entry.hpp"
#include "mp/process/fn.hpp"

#include "process/entry_hook.hpp"
#include "process/reexecuted.hpp"

namespace {

// Static objects, which must be complete in the child before any call runs.
const std::string greeting = std::string{"hello, "} + "static object";
const bool constructed_in_child = mp::process::is_being_spawned();
const bool variable_seen = std::getenv("MP_SPAWN") != nullptr;

int failures = 0;

void expect(bool good, const char* what) {
  if (!good) {
    std::printf("failed: %s\n", what);
    ++failures;
  }
}

int square(int x) {
  return x * x;
}
// Identical code, which --icf=all folds into one.
int same_one(int x) {
  return 3 * x + 1;
}
int same_two(int x) {
  return 3 * x + 1;
}

struct Point {
  int x;
  int y;
  int sum(int z) const { return x + y + z; }
};

template <class T>
T in_template(const T& value) {
  return value + value;
}

class Parent {
 public:
  template <class R, class F, class... Args>
  R result(const F& f, const Args&... args) {
    const mp::RawCall call = mp::make_call(f, args...);
    const auto outcome = child_.run(call.bytes());
    if (!outcome) {
      std::printf("failed: the child did not answer\n");
      std::exit(1);
    }
    mp::Reader in{*outcome};
    return mp::read_outcome<R>(in);
  }
  int end() { return child_.end(); }

 private:
  mp::test::Reexecuted child_;
};

void run_every_kind_of_call() {
  Parent parent;
  expect(parent.result<int>(square, 7) == 49, "function");
  expect(parent.result<int>(mp::fn<square>, 8) == 64, "fn");
  expect(parent.result<int>([](int x) { return x + 1; }, 1) == 2, "lambda");
  expect(parent.result<std::string>([](auto x) { return x + x; }, "ab") == "abab",
         "generic lambda");
  expect(parent.result<int>(mp::partial([](int a, int b) { return a - b; }, 9), 4) == 5, "partial");
  expect(parent.result<int>(&Point::sum, Point{1, 2}, 3) == 6, "member function");
  expect(parent.result<double>(&in_template<double>, 1.5) == 3, "template function");
  expect(parent.result<int>(same_one, 2) == 7, "first of two equal functions");
  expect(parent.result<int>(same_two, 3) == 10, "second of two equal functions");
  expect(parent.result<int>([](int x) { return 3 * x + 1; }, 4) == 13,
         "lambda equal to a function");
  expect(parent.result<std::string>([] { return greeting; }) == "hello, static object",
         "static objects are complete");
  expect(parent.result<bool>([] { return constructed_in_child; }),
         "static objects can tell a child");
  expect(!parent.result<bool>([] { return mp::process::is_being_spawned(); }),
         "a call is no start");
  expect(!parent.result<bool>([] { return variable_seen; }),
         "static objects do not see the marker");
  expect(parent.result<int>([] { return static_cast<int>(::getpid()); }) != ::getpid(), "pid");
  expect(parent.end() == 0, "exit status");
}

// MAIN: 42 when the variable is gone, 43 when it is still there. READ text: 42 when `text` waits in
// descriptor 3. That is how main() tells that it ran, and that nothing was touched.
int run_as_subject(int argc, char** argv) {
  if (std::strcmp(argv[1], "read") == 0 && argc == 3) {
    std::string text(std::strlen(argv[2]), ' ');
    const ssize_t size = ::read(3, text.data(), text.size());
    return size == static_cast<ssize_t>(text.size()) && text == argv[2] ? 42 : 44;
  }
  return std::getenv("MP_SPAWN") == nullptr ? 42 : 43;
}

int run(int argc, char** argv) {
  if (argc > 1) {
    return run_as_subject(argc, argv);
  }
  expect(!constructed_in_child, "the first process is no child");
  expect(mp::process::hook_linked(), "hook_linked");
  run_every_kind_of_call();
  if (failures == 0) {
    std::puts("every kind of call arrived");
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace

#if defined(MP_PROBE_GTEST)
#include <gtest/gtest.h>

TEST(Probe, RunsEveryKindOfCall) {
  char name[] = "probe";
  char* argv[] = {name, nullptr};
  EXPECT_EQ(run(1, argv), 0);
}
#elif defined(MP_PROBE_INIT)
int main(int argc, char** argv) {
  expect(!mp::process::hook_linked(), "nothing caught this program");
  mp::init(argc, argv);
  return run(argc, argv);
}
#else
int main(int argc, char** argv) {
  return run(argc, argv);
}
#endif
