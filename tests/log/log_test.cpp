// SPDX-License-Identifier: Apache-2.0
#include "log/log.hpp"

#include <array>
#include <atomic>
#include <functional>
#include <gmock/gmock.h>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "support/child.hpp"

namespace mp {
namespace {

using testing::HasSubstr;

// A name that is set has to stay for ever.
const std::string kNumbered = "Process-1:2";
const std::string kBraced = "other {} %v";
const std::string kOne = "one";
const std::string kTwo = "two";
const std::string kChild = "child";

// Runs `body` in a child, whose logger is as new, and returns what it wrote to stderr.
std::string logged_by(const std::function<void()>& body) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  test::Child child{[&] {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    body();
  }};
  ::close(ends[1]);
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t got = 0; (got = ::read(ends[0], part.data(), part.size())) > 0;) {
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  EXPECT_EQ(child.wait(), test::exited(0)) << text;
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream{text};
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

// As CPython's test_log_to_stderr and its format.
TEST(Log, WritesLevelProcessAndMessage) {
  EXPECT_EQ(logged_by([] { log_to_stderr(LogLevel::info).info("doomed"); }),
            "[INFO/MainProcess] doomed\n");
}

TEST(Log, NamesEveryLevelAsCPythonDoes) {
  EXPECT_EQ(logged_by([] {
              Logger& logger = log_to_stderr(static_cast<LogLevel>(1));
              logger.subdebug("m");
              logger.debug("m");
              logger.info("m");
              logger.subwarning("m");
              logger.warning("m");
              logger.error("m");
              logger.critical("m");
              logger.log(static_cast<LogLevel>(32), "m");
            }),
            "[SUBDEBUG/MainProcess] m\n[DEBUG/MainProcess] m\n[INFO/MainProcess] m\n"
            "[SUBWARNING/MainProcess] m\n[WARNING/MainProcess] m\n[ERROR/MainProcess] m\n"
            "[CRITICAL/MainProcess] m\n[Level 32/MainProcess] m\n");
}

TEST(Log, WritesOnlyFromItsLevelOn) {
  EXPECT_EQ(logged_by([] {
              Logger& logger = log_to_stderr(LogLevel::subwarning);
              EXPECT_FALSE(logger.is_enabled_for(LogLevel::info));
              logger.info("no");
              logger.subwarning("yes");
            }),
            "[SUBWARNING/MainProcess] yes\n");
}

TEST(Log, WritesWarningsEvenIfNobodyAskedForALog) {
  EXPECT_EQ(logged_by([] {
              EXPECT_EQ(get_logger().level(), LogLevel::notset);
              EXPECT_EQ(get_logger().effective_level(), LogLevel::warning);
              get_logger().set_level(LogLevel::debug);
              get_logger().info("no");
              get_logger().warning("yes");
            }),
            "[WARNING/MainProcess] yes\n");
}

TEST(Log, KeepsItsLevelWhenNoneIsGiven) {
  (void)logged_by([] {
    get_logger().set_level(LogLevel::error);
    EXPECT_EQ(&log_to_stderr(), &get_logger());
    EXPECT_EQ(get_logger().level(), LogLevel::error);
    log_to_stderr(LogLevel::debug);
    EXPECT_EQ(get_logger().level(), LogLevel::debug);
  });
}

TEST(Log, WritesNoLineTwiceWhenItIsSentToStderrTwice) {
  EXPECT_EQ(logged_by([] {
              log_to_stderr(LogLevel::info);
              log_to_stderr(LogLevel::info).info("once");
            }),
            "[INFO/MainProcess] once\n");
}

TEST(Log, BearsTheProcessesName) {
  EXPECT_EQ(logged_by([] {
              EXPECT_EQ(log::process_name(), "MainProcess");
              log::set_process_name(&kNumbered);
              const std::string_view before = log::process_name();
              log::set_process_name(&kBraced);
              EXPECT_EQ(before, "Process-1:2");
              get_logger().error("text {} %v %d");
            }),
            "[ERROR/other {} %v] text {} %v %d\n");
}

TEST(Log, CanBeHandedToAProcessThatIsNoCopy) {
  EXPECT_EQ(logged_by([] {
              log::apply({.level = LogLevel::debug, .to_stderr = true});
              EXPECT_EQ(log::settings().level, LogLevel::debug);
              EXPECT_TRUE(log::settings().to_stderr);
              get_logger().debug("yes");
            }),
            "[DEBUG/MainProcess] yes\n");
}

TEST(Log, LosesALineThatCannotBeWritten) {
  EXPECT_EQ(test::in_child([] {
              ::close(STDERR_FILENO);
              get_logger().error("lost");
            }),
            test::exited(0));
}

TEST(Log, WritesWholeLinesFromThreadsAndProcesses) {
  const std::string text = logged_by([] {
    log_to_stderr(LogLevel::info);
    const auto write = [](char letter) {
      for (int i = 0; i != 200; ++i) {
        get_logger().info(std::string(100, letter));
      }
    };
    test::Child other{[&] { write('c'); }};
    std::thread a{write, 'a'};
    std::thread b{write, 'b'};
    a.join();
    b.join();
    EXPECT_EQ(other.wait(), test::exited(0));
  });
  const std::vector<std::string> lines = lines_of(text);
  EXPECT_EQ(lines.size(), 600U);
  for (const std::string& line : lines) {
    ASSERT_EQ(line.size(), std::string{"[INFO/MainProcess] "}.size() + 100) << line;
    ASSERT_EQ(line.find_first_not_of(line.back(), 19), std::string::npos) << line;
  }
}

TEST(Log, WorksInAChildForkedWhileOtherThreadsLog) {
  const std::string text = logged_by([] {
    log_to_stderr(LogLevel::info);
    std::atomic<bool> stop{false};
    std::vector<std::thread> loggers;
    for (int i = 0; i != 3; ++i) {
      loggers.emplace_back([&] {
        while (!stop) {
          log::set_process_name(&kOne);
          get_logger().info("parent");
          log::set_process_name(&kTwo);
        }
      });
    }
    for (int i = 0; i != 100; ++i) {
      EXPECT_EQ(test::in_child([] {
                  log::set_process_name(&kChild);
                  get_logger().info("alive");
                }),
                test::exited(0));
    }
    stop = true;
    for (std::thread& each : loggers) {
      each.join();
    }
  });
  int alive = 0;
  for (const std::string& line : lines_of(text)) {
    alive += line == "[INFO/child] alive" ? 1 : 0;
  }
  EXPECT_EQ(alive, 100);
}

}  // namespace
}  // namespace mp
