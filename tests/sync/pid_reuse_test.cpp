// SPDX-License-Identifier: Apache-2.0
// A process dies, and the next one gets its pid at once: what the dead one held is not the new
// one's. In a pid namespace of its own, where the next pid can be chosen.
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mp/errors/error.hpp"
#include "mp/queue.hpp"
#include "mp/sync.hpp"

#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/rendezvous.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;

constexpr int kNotPermitted = 77;
constexpr pid_t kPid = 300;

bool choose_next_pid(pid_t pid) {
  std::ofstream file{"/proc/sys/kernel/ns_last_pid"};
  file << pid - 1 << std::flush;
  return file.good();
}

// Runs `body` as the first process of a namespace.
test::ExitStatus in_namespace(const std::function<void()>& body) {
  Child outside{[&] {
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) {
      return kNotPermitted;
    }
    Child first{[&] {
      if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("proc", "/proc", "proc", 0, nullptr) != 0 || !choose_next_pid(kPid)) {
        return kNotPermitted;
      }
      body();
      return 0;
    }};
    return first.wait().code;
  }};
  return outside.wait();
}

// One process with the pid dies in `dying`; the next one, with the same pid, lives on while both
// it and the first process of the namespace look at what is left.
void reuse_pid(const std::function<void()>& dying, const std::function<void()>& looking) {
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(choose_next_pid(kPid));
    {
      Child victim{[&] {
        dying();
        ::raise(SIGKILL);
      }};
      ASSERT_EQ(victim.pid(), kPid);
      ASSERT_EQ(victim.wait(), test::killed_by(SIGKILL));
    }
    ASSERT_TRUE(choose_next_pid(kPid));
    test::Signal looked;
    Child heir{[&] {
      if (round % 2 == 0) {
        looking();
      } else {
        static_cast<void>(Lock{});  // is entered in the table of processes
      }
      looked.raise();
      ::pause();
    }};
    ASSERT_EQ(heir.pid(), kPid);
    looked.await();
    if (round % 2 == 1) {
      looking();
    }
    heir.kill();
    memory::bury_the_dead();
  }
}

void expect_found_out(const std::function<void()>& body) {
  const test::ExitStatus status = in_namespace(body);
  if (status == test::exited(kNotPermitted)) {
    GTEST_SKIP() << "a pid namespace cannot be made here";
  }
  EXPECT_EQ(status, test::exited(0));
}

TEST(PidReuse, GivesNobodyALockOfTheDead) {
  expect_found_out([] {
    Lock lock;
    reuse_pid([&] { lock.acquire(); },
              [&] {
                EXPECT_THROW(lock.acquire(10s), OwnerDied);
                EXPECT_TRUE(lock.recover());
                lock.release();
              });
  });
}

TEST(PidReuse, GivesNobodyARecursiveLockOfTheDead) {
  expect_found_out([] {
    RLock lock;
    reuse_pid([&] { lock.acquire(); },
              [&] {
                EXPECT_THROW(lock.release(), SyncError);
                EXPECT_THROW(lock.acquire(10s), OwnerDied);
                EXPECT_TRUE(lock.recover());
                lock.release();
              });
  });
}

TEST(PidReuse, KeepsNoPermitOfTheDead) {
  expect_found_out([] {
    BoundedSemaphore one{1};
    reuse_pid([&] { one.acquire(); },
              [&] {
                EXPECT_TRUE(one.acquire(10s));
                one.release();
              });
  });
}

TEST(PidReuse, KeepsNoBarrierWaitingForTheDead) {
  expect_found_out([] {
    Barrier meet{2};
    reuse_pid(
        [&] {
          std::thread party{[&] { meet.wait(); }};
          EXPECT_EVENTUALLY(meet.n_waiting() == 1);
          ::raise(SIGKILL);
        },
        [&] {
          EXPECT_THROW(meet.wait(10s), BrokenBarrier);
          meet.reset();
        });
  });
}

TEST(PidReuse, KeepsNoItemOfTheDead) {
  expect_found_out([] {
    Queue<int> queue;
    reuse_pid([&] { queue.put(7); }, [&] { EXPECT_EQ(queue.get(10s), 7); });
    EXPECT_TRUE(queue.empty());
  });
}

}  // namespace
}  // namespace mp
