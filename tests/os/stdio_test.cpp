// SPDX-License-Identifier: Apache-2.0
#include "os/stdio.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <functional>
#include <iostream>
#include <span>
#include <string>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "os/fd.hpp"
#include "os/wait.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"

namespace mp::os {
namespace {

using namespace std::chrono_literals;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  Fd out;
  Fd in;
};

// Runs `body` in a child whose stdin and stdout are pipes and returns what it printed. The child's
// stdio is fully buffered, as it is for every program whose output goes to a file.
std::string printed_by(const std::function<void(Pipe& input)>& body) {
  Pipe input;
  Pipe output;
  test::Child child{[&] {
    ::dup2(input.out.get(), STDIN_FILENO);
    ::dup2(output.in.get(), STDOUT_FILENO);
    output.in.reset();
    std::setvbuf(stdout, nullptr, _IOFBF, 4096);
    body(input);
    const bool failed = testing::Test::HasFailure();
    std::fflush(stdout);
    ::_exit(failed ? 1 : 0);
  }};
  output.in.reset();
  std::string text;
  std::array<char, 512> part{};
  for (ssize_t got = 0; (got = ::read(output.out.get(), part.data(), part.size())) > 0;) {
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  EXPECT_EQ(child.wait(), test::exited(0));
  return text;
}

// A child that ends as one made by fork does: it flushes what it believes is its own.
void fork_and_end() {
  const int child = ::fork();  // test::Child would wait for the lock of stdout
  if (child == 0) {
    drop_inherited_output();
    std::fflush(stdout);
    ::_exit(0);
  }
  EXPECT_EQ(wait_child(child, -1, Deadline::never()), (Exit{Exit::State::exited, 0}));
}

TEST(FlushOutput, KeepsAChildFromPrintingItsParentsText) {
  EXPECT_EQ(printed_by([](Pipe&) {
              std::printf("once,");
              std::cout << "and once" << std::flush << ";";
              EXPECT_TRUE(flush_output());
              fork_and_end();
            }),
            "once,and once;");
}

TEST(FlushOutput, DoesNotWaitForAThreadThatReads) {
  EXPECT_EQ(printed_by([](Pipe& input) {
              std::thread reader{[] {
                std::array<char, 16> line{};
                EXPECT_NE(std::fgets(line.data(), line.size(), stdin), nullptr);
              }};
              // It holds stdin's lock now, until there is something to read.
              ASSERT_EVENTUALLY(::ftrylockfile(stdin) != 0 || (::funlockfile(stdin), false));
              std::printf("text");
              EXPECT_TRUE(flush_output());
              fork_and_end();
              EXPECT_EQ(::write(input.in.get(), "x\n", 2), 2);
              reader.join();
            }),
            "text");
}

TEST(FlushOutput, PassesOverAStreamThatIsInUse) {
  EXPECT_EQ(printed_by([](Pipe&) {
              std::printf("parent's");
              std::atomic<bool> locked{false};
              std::atomic<bool> done{false};
              std::thread user{[&] {
                ::flockfile(stdout);
                locked = true;
                locked.notify_one();
                done.wait(false);
                ::funlockfile(stdout);
              }};
              locked.wait(false);
              EXPECT_FALSE(flush_output());
              fork_and_end();
              done = true;
              done.notify_one();
              user.join();
            }),
            "parent's");
}

TEST(FlushOutput, FlushesAStdCoutOfItsOwn) {
  EXPECT_EQ(printed_by([](Pipe&) {
              std::ios::sync_with_stdio(false);
              std::array<char, 256> room{};
              std::cout.rdbuf()->pubsetbuf(room.data(), room.size());
              std::cout << "buffered";
              EXPECT_TRUE(flush_output());
              ::_exit(testing::Test::HasFailure() ? 1 : 0);  // and no destructor's flush
            }),
            "buffered");
}

TEST(DetachStdin, EndsTheInputAtOnce) {
  (void)printed_by([](Pipe& input) {
    EXPECT_EQ(::write(input.in.get(), "one\ntwo\n", 8), 8);
    std::array<char, 16> line{};
    EXPECT_STREQ(std::fgets(line.data(), line.size(), stdin), "one\n");
    detach_stdin();
    EXPECT_EQ(std::fgets(line.data(), line.size(), stdin), nullptr) << "read ahead, but not ours";
    std::string more;
    EXPECT_FALSE(std::getline(std::cin, more));
    EXPECT_EQ(::fcntl(STDIN_FILENO, F_GETFD), 0);
  });
}

TEST(DetachStdin, FillsAStdinThatIsClosed) {
  (void)printed_by([](Pipe&) {
    ::close(STDIN_FILENO);
    detach_stdin();
    EXPECT_EQ(::fcntl(STDIN_FILENO, F_GETFD), 0) << "open, and kept at exec";
  });
}

TEST(WriteAll, GoesOnAfterPartsAndInterruptions) {
  Pipe pipe;
  const std::string text(200'000, 'x');
  ASSERT_EQ(::fcntl(pipe.in.get(), F_SETFL, O_NONBLOCK), 0);
  test::Child reader{[&] {
    pipe.in.reset();
    std::size_t total = 0;
    std::array<char, 4096> part{};
    for (ssize_t got = 0; (got = ::read(pipe.out.get(), part.data(), part.size())) > 0;) {
      total += static_cast<std::size_t>(got);
    }
    EXPECT_EQ(total, 200'000U);
  }};
  {
    test::Faults faults;
    faults.fail(Sys::write, EINTR, 2);
    EXPECT_EQ(write_all(pipe.in.get(), std::as_bytes(std::span{text})), 0);
  }
  pipe.in.reset();
  EXPECT_EQ(reader.wait(), test::exited(0));
}

TEST(WriteAll, GivesUpAtTheDeadlineAndReportsErrors) {
  Pipe pipe;
  const std::string text(200'000, 'x');
  ASSERT_EQ(::fcntl(pipe.in.get(), F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(write_all(pipe.in.get(), std::as_bytes(std::span{text}), Deadline{5ms}), ETIMEDOUT);
  EXPECT_EQ(write_all(-1, std::as_bytes(std::span{text})), EBADF);
}

}  // namespace
}  // namespace mp::os
