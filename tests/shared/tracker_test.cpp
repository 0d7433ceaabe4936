// SPDX-License-Identifier: Apache-2.0
// What trees of processes leave behind, and who puts it away. Each probe is a tree of its own.
#include <algorithm>
#include <array>
#include <csignal>
#include <gtest/gtest.h>
#include <set>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "mp/shared/shared_memory.hpp"

#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/leak_sentinel.hpp"
#include "support/proc_view.hpp"

namespace mp {
namespace {

using test::Child;
using test::eventually;

bool exists(const std::string& name) {
  return ::access(("/dev/shm/" + name).c_str(), F_OK) == 0;
}

// The tracker of a probe: a child of nobody, hence adopted by this process.
pid_t find_tracker(const std::set<pid_t>& known) {
  for (const test::ProcessView& view : test::children_of(::getpid())) {
    if (view.name == "mp-tracker" && view.state != 'Z' && !known.contains(view.pid)) {
      return view.pid;
    }
  }
  return 0;
}

std::set<pid_t> trackers() {
  std::set<pid_t> found;
  for (const test::ProcessView& view : test::children_of(::getpid())) {
    if (view.name == "mp-tracker") {
      found.insert(view.pid);
    }
  }
  return found;
}

// Waits until the adopted process is gone, and reaps it.
bool ended(pid_t pid) {
  return eventually([pid] { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

class Probe {
 public:
  explicit Probe(const char* how) : known_{trackers()}, child_{start(how)} {
    ::close(in_[0]);
    ::close(out_[1]);
  }
  ~Probe() {
    ::close(in_[1]);
    ::close(out_[0]);
    child_.wait();
    // Its tracker and its orphans end; what this program's own tracker may be was there before.
    EXPECT_TRUE(eventually([&] {
      test::reap_adopted();
      const auto children = test::children_of(::getpid());
      return std::all_of(children.begin(), children.end(),
                         [&](const auto& child) { return known_.contains(child.pid); });
    }));
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  std::string line() {
    std::string text;
    for (char each = 0; ::read(out_[0], &each, 1) == 1 && each != '\n';) {
      text += each;
    }
    return text;
  }
  void go_on() { EXPECT_EQ(::write(in_[1], "\n", 1), 1); }
  pid_t tracker() const { return find_tracker(known_); }
  Child& child() { return child_; }

 private:
  Child start(const char* how) {
    EXPECT_EQ(::pipe(in_.data()), 0);
    EXPECT_EQ(::pipe(out_.data()), 0);
    return Child{[=, this] {
      ::dup2(in_[0], 0);
      ::dup2(out_[1], 1);
      for (const int fd : {in_[0], in_[1], out_[0], out_[1]}) {
        ::close(fd);
      }
      ::execl(MP_TEST_TRACKER_PROBE, MP_TEST_TRACKER_PROBE, how, nullptr);
      ::_exit(125);
    }};
  }

  std::set<pid_t> known_;
  std::array<int, 2> in_{};
  std::array<int, 2> out_{};
  Child child_;
};

class Ending : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Ways, Ending, testing::Values("exit", "kill"),
                         [](const auto& way) { return std::string{way.param}; });

TEST_P(Ending, TakesTheNamesOfTheTreeWithIt) {
  Probe probe{GetParam()};
  const std::string name = probe.line();
  EXPECT_TRUE(exists(name));
  EXPECT_NE(probe.tracker(), 0);
  probe.go_on();
  EXPECT_TRUE(eventually([&] { return !exists(name); })) << name;
}

TEST(Tracker, WaitsForTheLastProcessOfTheTree) {
  Probe probe{"orphan"};
  const std::string name = probe.line();
  probe.go_on();
  EXPECT_EQ(probe.child().wait(), test::exited(0));
  EXPECT_TRUE(exists(name)) << "a process of the tree goes on";
  EXPECT_NE(probe.tracker(), 0);
  probe.go_on();
  EXPECT_TRUE(eventually([&] { return !exists(name); })) << name;
}

TEST(Tracker, IsDeafToSignalsThatEndProgramsPolitely) {
  Probe probe{"exit"};
  const std::string name = probe.line();
  const pid_t tracker = probe.tracker();
  ASSERT_NE(tracker, 0);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    ::kill(tracker, signal);
  }
  probe.go_on();
  EXPECT_TRUE(eventually([&] { return !exists(name); })) << name;
}

TEST(Tracker, IsReplacedWhenItWasKilled) {
  Probe probe{"again"};
  const std::string first = probe.line();
  const pid_t tracker = probe.tracker();
  ASSERT_NE(tracker, 0);
  ::kill(tracker, SIGKILL);
  EXPECT_TRUE(ended(tracker));
  probe.go_on();
  std::string last;
  for (int i = 0; i < 16; ++i) {
    last = probe.line();
  }
  EXPECT_NE(probe.tracker(), 0);
  probe.go_on();
  EXPECT_TRUE(eventually([&] { return !exists(first) && !exists(last); }));
}

TEST(Tracker, LeavesWhatItIsNotToTrack) {
  std::string name;
  {
    Probe probe{"untracked"};
    name = probe.line();
    EXPECT_EQ(probe.tracker(), 0) << "nothing to track, no tracker";
    probe.go_on();
  }
  EXPECT_TRUE(exists(name));
  SharedMemory{open, name}.unlink();
}

TEST(Tracker, LeavesWhatSomebodyElsePutInThePlace) {
  SharedMemory{create, 1}.unlink();  // this program's own tracker is there
  Probe probe{"exit"};
  const std::string name = probe.line();
  SharedMemory{open, name}.unlink();
  const SharedMemory mine{create, name, 10};
  const pid_t tracker = probe.tracker();
  ASSERT_NE(tracker, 0);
  probe.go_on();
  EXPECT_TRUE(ended(tracker));
  EXPECT_TRUE(exists(name));
  mine.unlink();
}

// What cleanup() counts is of no use here: other programs may have left something, too.
TEST(Cleanup, RemovesWhatWasKilledTogetherWithItsTracker) {
  std::string name;
  {
    Probe probe{"kill"};
    name = probe.line();
    const pid_t tracker = probe.tracker();
    ASSERT_NE(tracker, 0);
    static_cast<void>(cleanup());
    EXPECT_TRUE(exists(name)) << "its maker lives";
    ::kill(tracker, SIGKILL);
    EXPECT_TRUE(ended(tracker));
    static_cast<void>(cleanup());
    EXPECT_TRUE(exists(name)) << "its maker still lives";
    probe.go_on();
  }
  EXPECT_TRUE(exists(name));
  EXPECT_GE(cleanup(), 1U);
  EXPECT_FALSE(exists(name));
}

}  // namespace
}  // namespace mp
