// SPDX-License-Identifier: Apache-2.0
// mp/log.hpp — the logger of the library, for its messages and for yours.
//
//     mp::log_to_stderr(mp::LogLevel::info);
//     mp::get_logger().info("doomed");         // [INFO/MainProcess] doomed
//
// Until log_to_stderr is called, only what is a warning or worse goes to stderr.
//
// Threads:   everything may be called from any thread. A line is one write, so lines do not mix as
//            long as they are shorter than what the system writes in one piece (4096 bytes to a
//            pipe).
// Processes: each has its own; a child starts with its parent's level and destination.
// Fork:      holds no lock at any time, so a child of a process with threads can always log.
// Crash:     nothing is buffered; what was logged has been written.
// Blocks:    as long as a write to stderr does, and at most a second where that does not block.
// Throws:    nothing. A line that cannot be written is lost.
// Python:    multiprocessing.get_logger, log_to_stderr; the levels are those of logging and
//            multiprocessing.util. The format is the same for all lines, also for those before
//            log_to_stderr, and calling that twice writes no line twice.
#pragma once

#include <string_view>

#include "mp/base/export.hpp"

namespace mp {

// How much a message matters. Values between these are levels too: static_cast<LogLevel>(32).
enum class LogLevel : int {
  notset = 0,
  subdebug = 5,
  debug = 10,
  info = 20,
  subwarning = 25,
  warning = 30,
  error = 40,
  critical = 50,
};

class MP_API Logger {
 public:
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  // Writes `text` as one line, if `level` is at least the effective one.
  void log(LogLevel level, std::string_view text) noexcept;

  void subdebug(std::string_view text) noexcept { log(LogLevel::subdebug, text); }
  void debug(std::string_view text) noexcept { log(LogLevel::debug, text); }
  void info(std::string_view text) noexcept { log(LogLevel::info, text); }
  void subwarning(std::string_view text) noexcept { log(LogLevel::subwarning, text); }
  void warning(std::string_view text) noexcept { log(LogLevel::warning, text); }
  void error(std::string_view text) noexcept { log(LogLevel::error, text); }
  void critical(std::string_view text) noexcept { log(LogLevel::critical, text); }

  // The level that was set; notset to begin with.
  [[nodiscard]] LogLevel level() const noexcept;
  void set_level(LogLevel level) noexcept;
  // The level that counts: the one that was set, or warning.
  [[nodiscard]] LogLevel effective_level() const noexcept;
  // Whether log() would write at `level`: ask before making an expensive text.
  [[nodiscard]] bool is_enabled_for(LogLevel level) const noexcept;

 private:
  friend MP_API Logger& get_logger() noexcept;
  constexpr Logger() = default;
};

// The logger of this process. It lives until the process ends.
MP_API Logger& get_logger() noexcept;

// Sends everything from the logger's level on to stderr, and sets that level unless it is notset.
MP_API Logger& log_to_stderr(LogLevel level = LogLevel::notset) noexcept;

}  // namespace mp
