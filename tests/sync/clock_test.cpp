// SPDX-License-Identifier: Apache-2.0
// No timeout rests on the wall clock: a program of its own, in which clock_gettime and its kin are
// this file's, as far as processes ask for it.
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <time.h>
#include <utility>
#include <vector>

#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "mp/connection.hpp"
#include "mp/errors/error.hpp"
#include "mp/queue.hpp"
#include "mp/sync.hpp"

#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/shared.hpp"

namespace {

// By how much the clocks are wrong, in seconds, and how often the wall clock was asked; shared by
// all processes of the test.
struct Clocks {
  std::atomic<long> wall{0};
  std::atomic<long> steady{0};
  std::atomic<int> asked{0};
};
Clocks* clocks = nullptr;  // of a process whose clocks are wrong

int true_time(clockid_t id, timespec* out) {
  return static_cast<int>(::syscall(SYS_clock_gettime, id, out));
}

}  // namespace

extern "C" int clock_gettime(clockid_t id, timespec* out) noexcept {
  const int result = true_time(id, out);
  if (clocks != nullptr && result == 0) {
    if (id == CLOCK_MONOTONIC) {
      out->tv_sec += clocks->steady.load();
    } else if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI) {
      clocks->asked.fetch_add(1);
      out->tv_sec += clocks->wall.load();
    }
  }
  return result;
}
extern "C" int gettimeofday(timeval* __restrict out, void* __restrict) noexcept {
  timespec now{};
  const int result = ::clock_gettime(CLOCK_REALTIME, &now);
  *out = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return result;
}
extern "C" time_t time(time_t* out) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) {
    *out = now.tv_sec;
  }
  return now.tv_sec;
}

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

std::chrono::nanoseconds true_steady() {
  timespec now{};
  true_time(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

// A call that waits in vain until its deadline, and says whether it got something.
struct Wait {
  std::string name;
  std::function<bool(Deadline)> run;
};

class Clock : public testing::Test {
 protected:
  Clock() {
    lock_.acquire();
    permits_.acquire();
    held_.acquire();
  }
  ~Clock() override {
    lock_.release();
    held_.release();
  }

  std::vector<Wait> all() {
    return {{"Lock", [this](Deadline until) { return lock_.acquire(until); }},
            {"RLock", [this](Deadline until) { return held_.acquire(until); }},
            {"Semaphore", [this](Deadline until) { return none_.acquire(until); }},
            {"BoundedSemaphore", [this](Deadline until) { return permits_.acquire(until); }},
            {"Event", [this](Deadline until) { return event_.wait(until); }},
            {"Condition",
             [this](Deadline until) {
               condition_.acquire();
               const bool got = condition_.wait(until);
               condition_.release();
               return got;
             }},
            {"Barrier",
             [](Deadline until) {
               Barrier meet{2};
               try {
                 meet.wait(until);
                 return true;
               } catch (const BrokenBarrier&) {
                 return false;
               }
             }},
            {"Queue", [this](Deadline until) { return queue_.try_get_for(until).has_value(); }},
            {"Pipe", [this](Deadline until) { return pipe_.first.poll(until); }},
            {"wait", [this](Deadline until) {
               return !mp::wait({event_, queue_}, until).empty();
             }}};
  }

  test::Shared<Clocks> wrong_;

 private:
  Lock lock_;
  RLock held_;
  Semaphore none_{0};
  BoundedSemaphore permits_{1};
  Event event_;
  Condition condition_;
  Queue<int> queue_;
  std::pair<Connection, Connection> pipe_ = Pipe();
};

TEST_F(Clock, IsReplacedInThisProgram) {
  EXPECT_EQ(test::in_child([&] {
              clocks = wrong_.get();
              const auto steady = std::chrono::steady_clock::now();
              const auto wall = std::chrono::system_clock::now();
              wrong_->steady = wrong_->wall = 7200;
              EXPECT_GT(std::chrono::steady_clock::now() - steady, 1h);
              EXPECT_GT(std::chrono::system_clock::now() - wall, 1h);
              EXPECT_EQ(wrong_->asked, 2);
            }),
            exited(0));
}

TEST_F(Clock, OnTheWallMovesNoTimeout) {
  for (const Wait& wait : all()) {
    SCOPED_TRACE(wait.name);
    EXPECT_EQ(test::in_child([&] {
                clocks = wrong_.get();
                std::atomic<bool> over{false};
                std::thread setter{[&] {  // a century forth, a century back
                  for (long shift = 3'000'000'000; !over; shift = -shift) {
                    wrong_->wall = shift;
                    std::this_thread::yield();
                  }
                }};
                const auto begin = true_steady();
                EXPECT_FALSE(wait.run(25ms));
                EXPECT_GE(true_steady() - begin, 25ms);
                over = true;
                setter.join();
              }),
              exited(0));
  }
  EXPECT_EQ(wrong_->asked, 0) << "somebody asks what time it is";
}

TEST_F(Clock, ThatIsSteadyEndsEveryWaitWhenItSaysSo) {
  std::vector<Wait> waits = all();
  std::vector<Child> children;
  for (const Wait& wait : waits) {
    children.emplace_back([&] {
      clocks = wrong_.get();
      return wait.run(1h) ? 1 : 0;
    });
  }
  for (const Child& child : children) {
    ASSERT_EVENTUALLY(test::is_asleep(child.pid()));
  }
  wrong_->steady = 7200;
  for (std::size_t i = 0; i < children.size(); ++i) {
    EXPECT_EQ(children[i].wait(), exited(0)) << waits[i].name;
  }
}

}  // namespace
}  // namespace mp
