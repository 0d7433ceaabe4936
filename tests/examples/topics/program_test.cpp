// SPDX-License-Identifier: Apache-2.0
// The program as its user sees it: output, exit status, complaints.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include <sys/wait.h>

#include "support/eventually.hpp"
#include "support/leak_sentinel.hpp"
#include "text_folder.hpp"

namespace topics {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Ended {
  int status = -1;
  std::string output;
};

// Runs the program in a shell; `redirect` says which of its streams are read.
Ended run(const std::string& arguments, const std::string& redirect = "2>&1",
          const std::string& before_it = {}) {
  const auto children = [] { return mp::test::Holdings::now().held.at(mp::test::Resource::child); };
  const auto before = children();
  const std::string command = before_it + TOPICS_PROGRAM " " + arguments + " " + redirect;
  Ended result;
  std::FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    result.output.append(buffer.data(), n);
  }
  const int status = pclose(pipe);
  // The program's fork server ends when it sees the program gone; it is adopted here then.
  EXPECT_TRUE(mp::test::eventually([&] {
    mp::test::reap_adopted();
    return children() == before;
  }));
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result;
}

// Expects exit status 2, nothing on stdout and one line on stderr that has `text`.
void expect_complaint(const std::string& arguments, const std::string& text) {
  SCOPED_TRACE(arguments);
  const Ended errors = run(arguments, "2>&1 >/dev/null");
  EXPECT_EQ(errors.status, 2);
  EXPECT_THAT(errors.output, StartsWith("topics: "));
  EXPECT_THAT(errors.output, HasSubstr(text));
  EXPECT_EQ(std::count(errors.output.begin(), errors.output.end(), '\n'), 1) << errors.output;
  EXPECT_EQ(run(arguments, "2>/dev/null").output, "");
}

std::string small_text(const TextFolder& text) {
  text.write("air", TextFolder::lines("wind", 40));
  text.write("sea", TextFolder::lines("wave", 40));
  return "--folder " + text.path();
}

TEST(Program, GivesHelp) {
  const Ended help = run("--help");
  EXPECT_EQ(help.status, 0);
  for (const char* option : {"--folder", "--processes", "--serial", "--start", "--compare"}) {
    EXPECT_THAT(help.output, HasSubstr(option));
  }
}

TEST(Program, ComplainsInOneLine) {
  const TextFolder text;
  expect_complaint("--folder " + text.path() + "/none", "there is no folder");
  expect_complaint("--folder ''", "--folder");
  expect_complaint("--folder " + text.path(), "at least two text files");
  text.write("air", TextFolder::lines("wind", 20));
  text.write("sea", "");
  expect_complaint("--folder " + text.path(), "has no line of text");
  for (const char* number : {"0", "-1", "two", "1.5", "99999999999", "''"}) {
    expect_complaint("--processes " + std::string{number}, "--processes");
  }
  expect_complaint("--lines 3", "--lines");
  expect_complaint("--start thread", "--start");
  expect_complaint("--serial --processes 2", "--serial");
  expect_complaint("--share 3/2", "--share");
  expect_complaint("--share half", "--share");
  expect_complaint("--no-such-option", "--no-such-option");
  expect_complaint("surplus", "surplus");
}

TEST(Program, TellsAccuracyTopicsWorkersAndTime) {
  const TextFolder text;
  const Ended result = run("--serial " + small_text(text));
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, HasSubstr("1782 combinations for each topic"));
  EXPECT_THAT(result.output, HasSubstr("100 % (488 of 488 tasks)"));
  EXPECT_THAT(result.output, HasSubstr("accuracy on held-out lines: 100.0 % (16 of 16)"));
  EXPECT_THAT(result.output, HasSubstr("utilisation"));
  EXPECT_THAT(result.output, HasSubstr("wall time"));
  EXPECT_THAT(result.output, HasSubstr("speed-up"));
}

// What is printed before the table of workers, which is about time.
std::string findings(const std::string& output) {
  const std::size_t begin = output.find("accuracy");
  return output.substr(begin, output.find("\nworker") - begin);
}

// Killed at some moment and started again, until it comes to its end by itself.
TEST(Program, GoesOnWhereItWasKilled) {
  const TextFolder text;
  const std::string folder = small_text(text);
  const std::string alone = findings(run("--serial " + folder).output);
  const TextFolder place;
  const auto with_journal = [&](const std::string& name) {
    return "--processes 2 --journal " + place.path() + "/" + name + " " + folder;
  };
  const auto began = std::chrono::steady_clock::now();
  ASSERT_EQ(run(with_journal("whole")).status, 0);
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - began;
  const std::string journaled = with_journal("in-parts");
  int kills = 0;
  for (const double part : {0.3, 0.4, 0.5, 0.6}) {
    // Its own group, so that the shell that we start does not get the signal.
    const Ended ended = run(journaled, "2>&1",
                            "timeout --signal=KILL " + std::to_string(part * whole.count()) + " ");
    kills += ended.status == 0 ? 0 : 1;
  }
  EXPECT_GT(kills, 0) << "it was never killed";
  const Ended last = run(journaled);
  EXPECT_EQ(last.status, 0) << last.output;
  EXPECT_EQ(findings(last.output), alone);
  const Ended again = run(journaled);
  EXPECT_EQ(findings(again.output), alone);
}

TEST(Program, FindsTheSameWithAnyNumberOfProcesses) {
  const TextFolder text;
  const std::string folder = small_text(text);
  const std::string alone = findings(run("--serial " + folder).output);
  EXPECT_THAT(alone, HasSubstr("accuracy"));
  for (const char* how : {"--processes 1", "--processes 2", "--processes 3 --start forkserver",
                          "--processes 2 --start spawn"}) {
    const Ended ended = run(how + (" " + folder));
    EXPECT_EQ(ended.status, 0) << how;
    EXPECT_EQ(findings(ended.output), alone) << how;
    EXPECT_THAT(ended.output, HasSubstr("PoolWorker-1")) << how;
  }
}

TEST(Program, ComparesItselfWithASerialRun) {
  const TextFolder text;
  const Ended ended = run("--processes 2 --compare " + small_text(text));
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.output, HasSubstr("results identical"));
}

TEST(Program, WritesPlainLinesWhenItsOutputIsNoTerminal) {
  const TextFolder text;
  EXPECT_EQ(run("--serial " + small_text(text)).output.find('\r'), std::string::npos);
}

TEST(Program, DoesItsShareOfTheSearchOnly) {
  const TextFolder text;
  const std::string arguments = "--serial " + small_text(text);
  EXPECT_EQ(run(arguments + " --share 1/2").output, "243 of 486 tasks\n");
  EXPECT_EQ(run(arguments + " --share 7/7").output, "69 of 486 tasks\n");
}

}  // namespace
}  // namespace topics
