// SPDX-License-Identifier: Apache-2.0
// Against multiprocessing.shared_memory of the machine's Python, in both roles. MP_TEST_PYTHON
// names others to try instead, separated by colons.
#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include <unistd.h>

#include "mp/shared/shareable_list.hpp"

#include "support/eventually.hpp"
#include "support/leak_sentinel.hpp"
#include "support/proc_view.hpp"
#include "support/program.hpp"

namespace mp {
namespace {

using test::exited;
using test::Program;

// Python 3.11 unlinks at its end what it merely attached; track() keeps it from that.
constexpr const char* kPrelude = R"py(
import sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory, ShareableList
def track(shm):
    resource_tracker.unregister(shm._name, 'shared_memory')
name = sys.argv[1]
)py";

Program run(const std::string& python, const std::string& script, const std::string& name) {
  return Program{{python, "-c", kPrelude + script, name}};
}

// What the script prints, up to the end of the line, and the name in it.
std::string line_of(const std::string& python, const std::string& script) {
  Program program = run(python, script, "-");
  std::string line = program.line();
  EXPECT_EQ(program.child().wait(), exited(0));
  return line;
}

class CPython : public testing::TestWithParam<std::string> {
 protected:
  // Python's own tracker goes a little after Python, and is an orphan.
  void TearDown() override { EXPECT_EVENTUALLY((test::reap_adopted(), only_tracker())); }
  static bool only_tracker() {
    const auto children = test::children_of(::getpid());
    return std::all_of(children.begin(), children.end(),
                       [](const auto& child) { return child.name == "mp-tracker"; });
  }
};
INSTANTIATE_TEST_SUITE_P(Pythons, CPython, testing::ValuesIn(test::pythons()),
                         [](const auto& python) {
                           return "number" + std::to_string(python.index);
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CPython);

TEST_P(CPython, ReadsAndWritesABlockOfOurs) {
  const SharedMemory block{create, 5000};
  block.buf()[4999] = std::byte{42};
  Program python = run(GetParam(), R"py(
shm = SharedMemory(name)
track(shm)
assert shm.size == 5000, shm.size
assert shm.buf[4999] == 42
shm.buf[0] = 43
shm.close()
)py",
                       block.name());
  EXPECT_EQ(python.child().wait(), exited(0));
  EXPECT_EQ(block.buf()[0], std::byte{43});
  block.unlink();
}

TEST_P(CPython, MakesABlockForUs) {
  const std::string name = line_of(GetParam(), R"py(
shm = SharedMemory(create=True, size=100)
track(shm)
shm.buf[7] = 9
print(shm.name, flush=True)
shm.close()
)py");
  const SharedMemory block{open, name};
  EXPECT_EQ(block.size(), 100U);
  EXPECT_EQ(block.buf()[7], std::byte{9});
  block.unlink();
}

TEST_P(CPython, ReadsAndWritesAListOfOurs) {
  const Bytes zeroes{std::byte{'a'}, std::byte{'b'}, std::byte{0}};
  const std::string wide =
      "\u00e9\u00e9\u00e9\u00e9\u00e9\u20ac\u20ac\u20ac";  // 8 letters, 19 bytes
  const ShareableList list{7, 1.5, true, nullptr, "h\u00e9", zeroes, "", wide};
  Program python = run(GetParam(), R"py(
a = ShareableList(name=name)
track(a.shm)
want = [7, 1.5, True, None, 'hé', b'ab', '', 'ééééé€€€']
assert list(a) == want, list(a)
assert type(a[2]) is bool
a[0] = 'x' * 8
a[1] = -3
a[2] = None
a[3] = 2.25
a[4] = 'ü'
a[6] = b'bytes'
assert a.count(-3) == 1 and a.index('ü') == 4
a.shm.close()
)py",
                       list.shm().name());
  EXPECT_EQ(python.child().wait(), exited(0));
  EXPECT_EQ(list.get<std::string>(0), "xxxxxxxx");
  EXPECT_EQ(list.get<int>(1), -3);
  EXPECT_EQ(list.get<std::nullptr_t>(2), nullptr);
  EXPECT_EQ(list.get<double>(3), 2.25);
  EXPECT_EQ(list.get<std::string>(4), "\u00fc");
  EXPECT_EQ(list.get<Bytes>(5), zeroes);
  EXPECT_EQ(list.get<Bytes>(6).size(), 5U);
  list.shm().unlink();
}

TEST_P(CPython, MakesAListForUs) {
  const std::string name = line_of(GetParam(), R"py(
a = ShareableList([7, 1.5, True, None, 'hé', b'ab\0', ''])
track(a.shm)
print(a.shm.name, flush=True)
a.shm.close()
)py");
  const ShareableList list{open, name};
  EXPECT_EQ(list.size(), 7U);
  EXPECT_EQ(list.get<int>(0), 7);
  EXPECT_EQ(list.get<double>(1), 1.5);
  EXPECT_EQ(list.get<bool>(2), true);
  EXPECT_EQ(list.get<std::nullptr_t>(3), nullptr);
  EXPECT_EQ(list.get<std::string>(4), "h\u00e9");
  EXPECT_EQ(list.get<Bytes>(5).size(), 2U) << "Python's format does not say that there were three";
  EXPECT_EQ(list.get<std::string>(6), "");
  EXPECT_EQ(list.format(), "qdxxxxxxx?xxxxxx?x8s8s8s");
  list.shm().unlink();
}

}  // namespace
}  // namespace mp
