// SPDX-License-Identifier: Apache-2.0
#include "os/signal.hpp"

#include <atomic>
#include <thread>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "os/proc.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"
#include "support/leak_sentinel.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp::os {
namespace {

std::atomic<int> seen{0};

void note(int signal) {
  seen = signal;
}

TEST(SignalBlock, HoldsSignalsBackForItsScope) {
  EXPECT_EQ(test::in_child([] {
              set_handler(SIGUSR1, &note);
              {
                const SignalBlock outer{signal_bit(SIGUSR2)};
                const SignalBlock all;
                EXPECT_EQ(all.before(), outer.before() | signal_bit(SIGUSR2));
                EXPECT_NE(signal_mask() & signal_bit(SIGUSR1), 0U);
                ::raise(SIGUSR1);
                EXPECT_EQ(seen, 0);
              }
              EXPECT_EQ(seen, SIGUSR1);
              EXPECT_EQ(signal_mask() & (signal_bit(SIGUSR1) | signal_bit(SIGUSR2)), 0U);
            }),
            test::exited(0));
}

TEST(Handlers, AreInstalledAndGiveBackTheOneBefore) {
  EXPECT_EQ(test::in_child([] {
              EXPECT_EQ(set_handler(SIGUSR1, &note), SIG_DFL);
              EXPECT_FALSE(is_ignored(SIGUSR1));
              EXPECT_EQ(ignore_signal(SIGUSR1), &note);
              EXPECT_TRUE(is_ignored(SIGUSR1));
              ::raise(SIGUSR1);
              EXPECT_EQ(default_signal(SIGUSR1), SIG_IGN);
              EXPECT_THROW(set_handler(SIGKILL, &note), OsError);
              const int top = realtime_signal(0);
              EXPECT_EQ(top, SIGRTMAX);
              set_handler(top, &note);
              ::raise(top);
              EXPECT_EQ(seen, top);
            }),
            test::exited(0));
}

TEST(DieOf, EndsTheProcessWhateverIsBlockedOrHandled) {
  for (const int signal : {SIGTERM, SIGINT, SIGABRT, SIGKILL}) {
    EXPECT_EQ(test::in_child([signal] {
                const rlimit no_core{0, 0};
                ::setrlimit(RLIMIT_CORE, &no_core);
                if (signal != SIGKILL) {
                  set_handler(signal, &note);
                }
                // A thread that has everything unblocked shall not win a race for the signal.
                std::thread{[] {
                  for (;;) {
                    ::pause();
                  }
                }}.detach();
                const SignalBlock all;
                die_of(signal);
              }),
              test::killed_by(signal));
  }
}

TEST(ParentDeathSignal, ComesWhenTheParentDies) {
  const test::Shared<std::atomic<int>> orphan{0};
  test::Signal ready;
  test::Child parent{[&] {
    const int made = ::fork();
    if (made == 0) {
      set_parent_death_signal(SIGTERM);
      *orphan = pid();
      ready.raise();
      ::pause();
      ::_exit(1);
    }
    ::pause();
  }};
  ready.await();
  parent.kill();
  // The test's process adopts it.
  int status = 0;
  ASSERT_EQ(::waitpid(*orphan, &status, 0), *orphan);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(ParentDeathSignal, ReportsARefusal) {
  test::Faults faults;
  faults.fail(Sys::prctl, EINVAL, 1);
  EXPECT_THROW(set_parent_death_signal(SIGTERM), OsError);
}

}  // namespace
}  // namespace mp::os
