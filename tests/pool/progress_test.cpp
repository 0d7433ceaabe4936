// SPDX-License-Identifier: Apache-2.0
#include "pool/progress.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mp/pool.hpp"

#include "support/scratch_dir.hpp"

namespace mp {
namespace {

using pool::progress_bar;
using pool::progress_line;
using pool::ProgressScreen;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// --- text ----------------------------------------------------------------------------------------

TEST(ProgressText, HasPercentTimeLeftAndRate) {
  EXPECT_EQ(progress_line({"load", 420, 1000, 12.0}),
            "load: 42 %, 420 of 1000, 12.0 s, 16.6 s left, 35.0/s");
  EXPECT_EQ(progress_line({"load", 1000, 1000, 7200.0}),
            "load: 100 %, 1000 of 1000, 2:00:00, 7.2 s each");
  EXPECT_EQ(progress_line({"load", 0, 10, 0.0}), "load: 0 %, 0 of 10, 0.0 s");
  EXPECT_EQ(progress_line({"load", 5, 0, 1.0}), "load: 5, 1.0 s, 5.0/s");
}

TEST(ProgressText, FitsIntoTheWidth) {
  for (unsigned width = 1; width < 200; ++width) {
    const std::string bar = progress_bar({"training", 421, 1000, 12.0}, width);
    EXPECT_LE(bar.size(), width);
    EXPECT_GE(bar.size(), std::min(width, 20u));
  }
  EXPECT_THAT(progress_bar({"training", 500, 1000, 12.0}, 120),
              HasSubstr("|###############               |"));
  EXPECT_THAT(progress_bar({"a\nb\x1b[2J", 5, 10, 1.0}, 80), Not(HasSubstr("\n")));
  EXPECT_EQ(progress_bar({"\xc3\xa4\xc3\xa4", 5, 10, 1.0}, 3), "\xc3\xa4");
  // More done than there are: a range that grew.
  EXPECT_LE(progress_bar({"more", 50, 10, 1.0}, 80).size(), 80u);
}

TEST(ProgressScreen, WritesOverItsLines) {
  ProgressScreen screen;
  EXPECT_EQ(screen.draw({}, {"one", "two"}, 80), "one\x1b[K\ntwo\x1b[K\x1b[J");
  EXPECT_EQ(screen.draw({}, {"ONE", "TWO"}, 80), "\x1b[1A\rONE\x1b[K\nTWO\x1b[K\x1b[J");
  EXPECT_EQ(screen.draw({"ONE"}, {"2"}, 80), "\x1b[1A\rONE\x1b[K\n2\x1b[K\x1b[J");
  EXPECT_EQ(screen.draw({"2"}, {}, 80), "\r2\x1b[K\n\x1b[J");
  EXPECT_EQ(screen.draw({}, {"again"}, 80), "again\x1b[K\x1b[J");
}

TEST(ProgressScreen, FindsItsLinesOnATerminalThatBecameNarrower) {
  ProgressScreen screen;
  static_cast<void>(screen.draw({}, {std::string(70, 'x'), "y"}, 80));
  EXPECT_THAT(screen.draw({}, {"x", "y"}, 30), StartsWith("\x1b[3A\r"));  // 3 rows and 1
}

// --- on stderr
// -------------------------------------------------------------------------------------

int wait_a_little(int x) {
  std::this_thread::sleep_for(std::chrono::milliseconds{5});
  return x;
}

// Lets descriptor 2 be another one for its scope.
class StderrIs {
 public:
  explicit StderrIs(int fd) : kept_{::fcntl(2, F_DUPFD_CLOEXEC, 3)} {
    if (fd >= 0) {
      ::dup2(fd, 2);
    } else {
      ::close(2);
    }
  }
  ~StderrIs() {
    ::dup2(kept_, 2);
    ::close(kept_);
  }
  StderrIs(const StderrIs&) = delete;
  StderrIs& operator=(const StderrIs&) = delete;

 private:
  int kept_;
};

template <class Body>
std::string logged(Body body) {
  const test::ScratchDir place;
  const int file = ::open((place / "log").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  {
    const StderrIs redirected{file};
    body();
  }
  std::string text(1 << 16, '\0');
  text.resize(static_cast<std::size_t>(::pread(file, text.data(), text.size(), 0)));
  ::close(file);
  return text;
}

template <class Body>
std::string shown(Body body) {
  int master = -1;
  int terminal = -1;
  winsize size{24, 60, 0, 0};
  if (::openpty(&master, &terminal, nullptr, nullptr, &size) != 0) {
    return "no terminal";
  }
  std::string text;
  {
    const StderrIs redirected{terminal};
    body();
  }
  ::fcntl(master, F_SETFL, O_NONBLOCK);
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::read(master, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(master);
  ::close(terminal);
  return text;
}

std::vector<int> numbers(int count) {
  std::vector<int> all(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    all[static_cast<std::size_t>(i)] = i;
  }
  return all;
}

TEST(ProgressBar, WritesPlainLinesIntoALog) {
  Pool pool{2};
  const std::string log = logged(
      [&] { pool.map(wait_a_little, numbers(100), {.chunksize = 1, .progress = "training"}); });
  EXPECT_THAT(log, Not(HasSubstr("\r")));
  EXPECT_THAT(log, Not(HasSubstr("\x1b")));
  EXPECT_THAT(log, HasSubstr("training: 100 %, 100 of 100, "));
  EXPECT_THAT(log, EndsWith("\n"));
  const auto lines = std::count(log.begin(), log.end(), '\n');
  EXPECT_GE(lines, 2);
  EXPECT_LE(lines, 11);
}

TEST(ProgressBar, DrawsOnATerminalAndLeavesTheFullBar) {
  Pool pool{2};
  const std::string text = shown(
      [&] { pool.map(wait_a_little, numbers(100), {.chunksize = 1, .progress = "training"}); });
  EXPECT_THAT(text, HasSubstr("\rtraining"));
  EXPECT_THAT(text, HasSubstr("100 of 100"));
  EXPECT_THAT(text, EndsWith("\n\x1b[J"));
}

TEST(ProgressBar, ShowsSeveralAtOnce) {
  Pool pool{2};
  const std::string text = shown([&] {
    auto one = pool.map_async(wait_a_little, numbers(40), {.chunksize = 1, .progress = "one"});
    auto two = pool.map_async(wait_a_little, numbers(40), {.chunksize = 1, .progress = "two"});
    one.wait();
    two.wait();
  });
  EXPECT_THAT(text, HasSubstr("\x1b[1A\r")) << "two lines at once";
  EXPECT_THAT(text, HasSubstr("one 100 %"));
  EXPECT_THAT(text, HasSubstr("two 100 %"));
}

TEST(ProgressBar, CountsWhatAnImapHasDone) {
  Pool pool{2};
  const std::string log = logged([&] {
    int sum = 0;
    const auto items = numbers(30);
    for (const int x : pool.imap(wait_a_little, items, {.progress = "lazy"})) {
      sum += x;
    }
    EXPECT_EQ(sum, 435);
  });
  EXPECT_THAT(log, HasSubstr("lazy: 100 %, 30 of 30, "));
}

TEST(ProgressBar, WritesNothingWithoutBeingAsked) {
  Pool pool{1};
  EXPECT_EQ(logged([&] { pool.map(wait_a_little, numbers(30), {.chunksize = 1}); }), "");
}

TEST(ProgressBar, IsThereForEveryMapWithTheVariable) {
  Pool pool{1};
  ::setenv("MP_PROGRESS", "1", 1);
  const std::string log = logged([&] { pool.map(wait_a_little, numbers(3), {.chunksize = 1}); });
  ::unsetenv("MP_PROGRESS");
  EXPECT_THAT(log, HasSubstr("100 %, 3 of 3")) << log;
}

TEST(ProgressBar, IsNotThereWhenStderrIsClosed) {
  Pool pool{1};
  std::vector<int> results;
  {
    const StderrIs closed{-1};
    results = pool.map(wait_a_little, numbers(30), {.chunksize = 1, .progress = "quiet"});
  }
  EXPECT_EQ(results.size(), 30u);
}

}  // namespace
}  // namespace mp
