// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/queue.hpp"
#include "mp/shared.hpp"

#include "os/check.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"
#include "support/leak_sentinel.hpp"
#include "support/scratch_dir.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

int add(int a, int b) {
  return a + b;
}

TEST(Isolated, ReturnsTheResult) {
  const auto sum = isolated({}, add, 2, 3);
  EXPECT_TRUE(sum);
  EXPECT_EQ(sum.value(), 5);
  EXPECT_EQ(sum.failure(), IsolatedFailure::none);
  EXPECT_EQ(sum.error(), nullptr);
  EXPECT_NE(isolated({}, [] { return ::getpid(); }).value(), ::getpid());
  const auto nothing = isolated({.timeout = 60s}, [] {});
  EXPECT_TRUE(nothing.has_value());
  nothing.value();
}

TEST(Isolated, CarriesLargeArgumentsAndResults) {
  const std::vector<int> many(1 << 20, 7);
  const auto twice = isolated(
      {},
      [](std::vector<int> values) {
        for (int& value : values) {
          value *= 2;
        }
        return values;
      },
      many);
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice.value().size(), many.size());
  EXPECT_EQ(twice.value().back(), 14);
}

TEST(Isolated, TellsWhatWasThrown) {
  const auto thrown = isolated({}, []() -> int { throw std::out_of_range{"too far"}; });
  EXPECT_FALSE(thrown);
  EXPECT_EQ(thrown.failure(), IsolatedFailure::exception);
  try {
    static_cast<void>(thrown.value());
    FAIL();
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "too far");
    EXPECT_NE(remote_info(error), nullptr);
  }
  const auto decode = isolated({}, [] { throw DecodeError{"its own"}; });
  EXPECT_EQ(decode.failure(), IsolatedFailure::exception);
}

TEST(Isolated, TellsTheSignalThatKilledIt) {
  for (const int number : {SIGSEGV, SIGABRT, SIGKILL, SIGTERM}) {
    const auto killed = isolated(
        {}, [](int which) { std::raise(which); }, number);
    EXPECT_EQ(killed.failure(), IsolatedFailure::signal) << number;
    EXPECT_EQ(killed.signal(), number);
    try {
      killed.value();
      FAIL();
    } catch (const WorkerDied& error) {
      EXPECT_EQ(error.signal(), number);
    }
  }
}

TEST(Isolated, TellsTheExitCode) {
  for (const bool in_order : {true, false}) {
    const auto left = isolated(
        {}, [](bool orderly) { orderly ? std::exit(3) : std::_Exit(3); }, in_order);
    EXPECT_EQ(left.failure(), IsolatedFailure::exit);
    EXPECT_EQ(left.exitcode(), 3);
    EXPECT_THROW(left.value(), WorkerDied);
  }
}

TEST(Isolated, EndsAtItsTimeWithAllThatItStarted) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const test::ScratchDir place;
  // The child's own descriptors are closed, so the grandchild holds a file that we can wait for.
  const auto slow = isolated(
      {.timeout = 300ms},
      [](const std::string& path) {
        if (::fork() == 0) {
          ::setsid();
          ::setpgid(0, 0);
        }
        std::ofstream{path, std::ios::app} << ::getpid() << "\n";
        for (;;) {
          ::pause();
        }
      },
      place / "pids");
  EXPECT_EQ(slow.failure(), IsolatedFailure::timeout);
  EXPECT_THROW(slow.value(), TaskTimeout);
  std::ifstream pids{place / "pids"};
  int pid = 0;
  int seen = 0;
  while (pids >> pid) {
    ++seen;
    EXPECT_TRUE(test::eventually([&] {
      test::reap_adopted();
      return ::kill(pid, 0) != 0 && errno == ESRCH;
    })) << pid;
  }
  EXPECT_EQ(seen, 2);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(Isolated, EndsWhatItLeftRunningWhenItReturns) {
  const auto left = isolated({}, [] {
    const int child = ::fork();
    if (child == 0) {
      for (;;) {
        ::pause();
      }
    }
    return child;
  });
  ASSERT_TRUE(left);
  EXPECT_TRUE(test::eventually([&] {
    test::reap_adopted();
    return ::kill(left.value(), 0) != 0 && errno == ESRCH;
  }));
}

TEST(Isolated, TimesOutWhileItsArgumentsAreSent) {
  test::Faults faults;
  const auto stuck = isolated(
      {.timeout = 100ms}, [](const std::string& text) { return text.size(); },
      std::string(1 << 20, 'x'));
  EXPECT_TRUE(stuck || stuck.failure() == IsolatedFailure::timeout);
}

TEST(Isolated, HasAsMuchMemoryAsItWasGiven) {
  const auto much = [](std::size_t bytes) {
    std::vector<char> block(bytes, 'x');
    return block[bytes / 2];
  };
  const std::size_t limit = std::size_t{64} << 20;
  EXPECT_EQ(isolated({.memory = limit}, much, std::size_t{16} << 20).value(), 'x');
  const auto starved = isolated({.memory = limit}, much, std::size_t{256} << 20);
  EXPECT_EQ(starved.failure(), IsolatedFailure::memory);
  EXPECT_THROW(static_cast<void>(starved.value()), OutOfMemory);
  // All in small pieces, so that nothing is left when it is over.
  const auto drained = isolated({.memory = limit}, [] {
    std::vector<std::string> all;
    for (;;) {
      all.emplace_back(1000, 'y');
    }
  });
  EXPECT_EQ(drained.failure(), IsolatedFailure::memory);
}

// What the child sees of its descriptors and limits.
TEST(Isolated, HasNoDescriptorsButItsOwn) {
  const int open = ::open("/dev/null", O_RDONLY);  // would be inherited
  const auto count = isolated({.nofile = 16}, [] {
    std::size_t found = 0;
    for (int fd = 0; fd < 1024; ++fd) {
      found += ::fcntl(fd, F_GETFD) != -1 ? 1 : 0;
    }
    return found;
  });
  EXPECT_EQ(count.value(), 4u);
  ::close(open);
  const auto none =
      isolated({.nofile = 4}, [] { return ::open("/dev/null", O_RDONLY) == -1 ? errno : 0; });
  EXPECT_EQ(none.value(), EMFILE);
  EXPECT_THROW(isolated({.nofile = 3}, [] {}), UsageError);
  const auto core = isolated({}, [] {
    rlimit limit{};
    ::getrlimit(RLIMIT_CORE, &limit);
    return limit.rlim_max;
  });
  EXPECT_EQ(core.value(), 0u);
}

TEST(Isolated, ClosesDescriptorsOnOldKernelsToo) {
  test::Faults faults;
  faults.fail(os::Sys::close_range, ENOSYS);
  const int open = ::open("/dev/null", O_RDONLY);
  const auto there = isolated(
      {}, [](int fd) { return ::fcntl(fd, F_GETFD) != -1; }, open);
  ::close(open);
  EXPECT_FALSE(there.value());
}

TEST(Isolated, HasNoNetworkWhenTold) {
  const auto make_sockets = [] {
    std::vector<int> errors;
    for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}) {
      const int fd = ::socket(family, family == AF_NETLINK ? SOCK_RAW : SOCK_STREAM, 0);
      errors.push_back(fd == -1 ? errno : 0);
    }
    std::array<int, 2> pair{};
    errors.push_back(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) == -1 ? errno : 0);
    return errors;
  };
  EXPECT_EQ(isolated({.no_network = true}, make_sockets).value(),
            (std::vector<int>{EPERM, EPERM, EPERM, EPERM, 0}));
  EXPECT_EQ(isolated({}, make_sockets).value()[0], 0);
}

TEST(Isolated, CannotGetAtOtherProcesses) {
  const auto tried = isolated(
      {},
      [](int parent) {
        std::vector<int> errors;
        const auto note = [&](long answer) { errors.push_back(answer == -1 ? errno : 0); };
        note(::kill(parent, SIGKILL));
        note(::kill(-1, SIGKILL));
        note(::syscall(SYS_tgkill, parent, parent, SIGKILL));
        note(::syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, parent, 0, 0));
        rlimit none{1, 1};
        note(::syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, &none, nullptr));
        note(::kill(::getpid(), 0));
        note(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -1);
        return errors;
      },
      ::getpid());
  EXPECT_EQ(tried.value(), (std::vector<int>{EPERM, EPERM, EPERM, EPERM, EPERM, 0, 0}));
}

// Those that cannot be had are told, and the call is not made.
TEST(Isolated, IsRefusedWhenItCannotBeConfined) {
  for (const os::Sys sys : {os::Sys::seccomp, os::Sys::setrlimit, os::Sys::setpgid}) {
    test::Faults faults;
    faults.fail(sys, EPERM);
    try {
      isolated({.nofile = 10, .no_network = true}, [] {});
      FAIL() << os::name(sys);
    } catch (const OsError& error) {
      EXPECT_EQ(error.operation(), os::name(sys));
      EXPECT_EQ(error.code().value(), EPERM);
    }
  }
  test::Faults faults;
  faults.fail(os::Sys::fork, EAGAIN);
  EXPECT_THROW(isolated({}, [] {}), StartError);
}

TEST(Isolated, RefusesHandlesToSharedObjects) {
  Queue<int> queue;
  try {
    isolated(
        {}, [](Queue<int> q) { return q.get(); }, queue);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string{error.what()}.find("shared"), std::string::npos) << error.what();
  }
}

Queue<int>* smuggled = nullptr;
TEST(Isolated, HasNothingOfWhatTheTreeShares) {
  Queue<int> queue;
  queue.put(1);
  smuggled = &queue;
  const auto stolen = isolated({}, [] { return smuggled->get(); });
  EXPECT_FALSE(stolen);
  const auto made = isolated({}, [] { Queue<int>{}.put(1); });
  EXPECT_EQ(made.failure(), IsolatedFailure::exception);
  EXPECT_THROW(made.value(), WrongProcess);
  EXPECT_EQ(queue.get(), 1);
  const auto mapped = isolated({}, [] {
    std::ifstream maps{"/proc/self/maps"};
    std::string line;
    while (std::getline(maps, line)) {
      if (line.find("mp-arena") != std::string::npos) {
        return true;
      }
    }
    return false;
  });
  EXPECT_FALSE(mapped.value());
}

// --- a child that lies --------------------------------------------------------------------------

// Writes to the socket past the library, and dies.
void say(const std::string& bytes) {
  for (int fd = 3; fd < 64; ++fd) {
    (void)!::write(fd, bytes.data(), bytes.size());
  }
  std::_Exit(0);
}
std::string outcome_of_size(std::uint64_t size, const std::string& bytes) {
  std::string text(1, '\3');
  text.append(reinterpret_cast<const char*>(&size), sizeof size);
  return text + bytes;
}

std::vector<std::string> lie(const std::string& bytes) {
  say(bytes);
  return {};
}

TEST(Isolated, SurvivesWhateverComesBack) {
  const std::vector<std::string> lies{
      "\7",
      outcome_of_size(~std::uint64_t{0}, ""),
      outcome_of_size(std::uint64_t{1} << 62, "abc"),
      outcome_of_size(0, ""),
      outcome_of_size(9, std::string(1, '\0') + "\xff\xff\xff\xff\xff\xff\xff\x7f"),
      outcome_of_size(9, std::string(1, '\1') + "\xff\xff\xff\xff\xff\xff\xff\x7f"),
      outcome_of_size(1, std::string(1, '\5')),
      outcome_of_size(9, std::string(9, '\0')) + std::string(100, 'z'),
  };
  for (const std::string& bytes : lies) {
    const auto told = isolated({}, lie, bytes);
    EXPECT_EQ(told.failure(), IsolatedFailure::undecodable) << testing::PrintToString(bytes);
    EXPECT_THROW(static_cast<void>(told.value()), DecodeError);
  }
  const auto cut = isolated({}, lie, outcome_of_size(100, "abc"));
  EXPECT_EQ(cut.failure(), IsolatedFailure::exit);
}

TEST(Isolated, TakesNoLongerResultThanItMay) {
  const auto make = [](std::size_t size) { return std::string(size, 'r'); };
  EXPECT_TRUE(isolated({.max_result = 2000}, make, std::size_t{1000}));
  EXPECT_EQ(isolated({.max_result = 2000}, make, std::size_t{3000}).failure(),
            IsolatedFailure::undecodable);
}

TEST(Isolated, IsWaitedForWhenItClosesItsSocket) {
  const auto closed = isolated({.timeout = 200ms}, [] {
    for (int fd = 3; fd < 64; ++fd) {
      ::close(fd);
    }
    for (;;) {
      ::pause();
    }
  });
  EXPECT_EQ(closed.failure(), IsolatedFailure::timeout);
  const auto gone = isolated({}, [] {
    for (int fd = 3; fd < 64; ++fd) {
      ::close(fd);
    }
    std::_Exit(9);
  });
  EXPECT_EQ(gone.exitcode(), 9);
}

TEST(Isolated, WorksWithoutPidfds) {
  test::Faults faults;
  faults.fail(os::Sys::pidfd_open, ENOSYS);
  EXPECT_EQ(isolated({}, add, 1, 2).value(), 3);
  EXPECT_EQ(isolated({}, [] { std::raise(SIGKILL); }).signal(), SIGKILL);
  EXPECT_EQ(isolated({.timeout = 100ms},
                     [] {
                       for (;;) {
                         ::pause();
                       }
                     })
                .failure(),
            IsolatedFailure::timeout);
}

TEST(Isolated, RunsInSeveralThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::array<int, 4> sums{};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&sums, i] {
      for (int round = 0; round < 5; ++round) {
        sums[static_cast<std::size_t>(i)] += isolated({}, add, i, round).value();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(sums, (std::array{10, 15, 20, 25}));
}

TEST(Isolated, KeepsItsOutputOnlyWhenAsked) {
  const auto print = [] { std::printf("from within\n"); };
  testing::internal::CaptureStdout();
  ASSERT_TRUE(isolated({}, print));
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  testing::internal::CaptureStdout();
  ASSERT_TRUE(isolated({.output = true}, print));
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "from within\n");
}

}  // namespace
}  // namespace mp
