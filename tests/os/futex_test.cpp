// SPDX-License-Identifier: Apache-2.0
#include "os/futex.hpp"

#include <array>
#include <thread>

#include "os/clock.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"
#include "support/proc_view.hpp"
#include "support/shared.hpp"

namespace mp::os {
namespace {

using namespace std::chrono_literals;

class Futex : public test::OnEveryKernel {};
MP_ON_EVERY_KERNEL(Futex);

struct Words {
  Word first{0};
  Word second{0};
};

std::array<FutexWait, 2> both(const Words& words) {
  return {FutexWait{&words.first, 0}, FutexWait{&words.second, 0}};
}

TEST_P(Futex, IsWokenByAnotherProcess) {
  const test::Shared<Words> words;
  test::Child sleeper{[&] {
    while (words->first == 0) {
      EXPECT_NE(futex_wait(words->first, 0, Deadline::never()), Wait::timed_out);
    }
  }};
  ASSERT_EVENTUALLY(test::is_asleep(sleeper.pid()));
  words->first = 1;
  futex_wake(words->first, 1);
  EXPECT_EQ(sleeper.wait(), test::exited(0));
}

TEST_P(Futex, WakesAsManyAsAskedAndSaysHowMany) {
  const test::Shared<Words> words;
  const auto sleep = [&] { (void)futex_wait(words->first, 0, Deadline::never()); };
  test::Child one{sleep};
  test::Child two{sleep};
  test::Child three{sleep};
  ASSERT_EVENTUALLY(test::is_asleep(one.pid()) && test::is_asleep(two.pid()) &&
                    test::is_asleep(three.pid()));
  EXPECT_EQ(futex_wake(words->first, 1), 1);
  EXPECT_EQ(futex_wake(words->first, kEverybody), 2);
  EXPECT_EQ(futex_wake(words->first, kEverybody), 0);
}

TEST_P(Futex, DoesNotSleepOnAWordThatChanged) {
  Words words;
  words.second = 1;
  EXPECT_EQ(futex_wait(words.second, 0, Deadline::never()), Wait::changed);
  EXPECT_EQ(futex_wait_any(both(words), Deadline::never()), Wait::changed);
}

TEST_P(Futex, SleepsUntilTheDeadline) {
  const Words words;
  const std::int64_t begin = monotonic_ns();
  EXPECT_EQ(futex_wait(words.first, 0, Deadline{20ms}), Wait::timed_out);
  EXPECT_GE(monotonic_ns() - begin, 20'000'000);
  EXPECT_EQ(futex_wait_any(both(words), Deadline{20ms}), Wait::timed_out);
  EXPECT_GE(monotonic_ns() - begin, 40'000'000);
  EXPECT_EQ(futex_wait(words.first, 0, Deadline::now()), Wait::timed_out);
  EXPECT_EQ(futex_wait_any(both(words), Deadline::now()), Wait::timed_out);
}

TEST_P(Futex, WaitsForSeveralWordsAtOnce) {
  const test::Shared<Words> words;
  for (Word* word : {&words->first, &words->second}) {
    words->first = 0;
    words->second = 0;
    test::Child sleeper{[&] {
      while (words->first == 0 && words->second == 0) {
        EXPECT_NE(futex_wait_any(both(*words), Deadline::never()), Wait::timed_out);
      }
    }};
    ASSERT_EVENTUALLY(test::is_asleep(sleeper.pid()));
    *word = 1;
    futex_wake(*word, 1);
    EXPECT_EQ(sleeper.wait(), test::exited(0));
  }
}

TEST_P(Futex, TakesAsManyWordsAsTheKernel) {
  std::array<Word, kMaxFutexWaits> words{};
  std::array<FutexWait, kMaxFutexWaits> waits{};
  for (std::size_t i = 0; i != words.size(); ++i) {
    waits[i] = {&words[i], 0};
  }
  EXPECT_EQ(futex_wait_any(waits, Deadline{1ms}), Wait::timed_out);
  words.back() = 1;
  EXPECT_EQ(futex_wait_any(waits, Deadline::never()), Wait::changed);
}

TEST_P(Futex, KnowsWhatTheKernelCanDo) {
  EXPECT_EQ(
      have_futex_waitv(), has_newer_calls() && [] {
        set_fault_hook(nullptr);
        return have_futex_waitv();
      }());
}

TEST(Futex, CallsAnInterruptedSleepAWakeUp) {
  const Words words;
  test::Faults faults;
  faults.fail(Sys::futex_wait, EINTR, 1);
  EXPECT_EQ(futex_wait(words.first, 0, Deadline::never()), Wait::woken);
  // Once for the probe, which then is not asked again.
  if (have_futex_waitv()) {
    faults.fail(Sys::futex_waitv, EINTR, 2);
    EXPECT_EQ(futex_wait_any(both(words), Deadline::never()), Wait::woken);
  }
}

TEST(Futex, SleepsInSlicesWhenTheKernelHasNoMemoryForSeveralWords) {
  const Words words;
  test::Faults faults;
  faults.fail(Sys::futex_waitv, ENOMEM);
  EXPECT_EQ(futex_wait_any(both(words), Deadline::never()), Wait::woken);
  EXPECT_EQ(futex_wait_any(both(words), Deadline{1ms}), Wait::timed_out);
}

}  // namespace
}  // namespace mp::os
