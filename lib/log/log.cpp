// SPDX-License-Identifier: Apache-2.0
// Design
//
// There is no lock in here, so there is none that a fork could leave held. The level and the
// destination are atomics. A line is formatted in the caller's own buffer and written by one
// write(2), past stdio. spdlog's logger has no lock of its own as long as it has no backtrace and
// has an error handler; its sinks have, and so the sink is ours.
//
// The process's name belongs to whoever sets it, and is never freed: a reader may still hold the
// old one while another is set.
#include "log/log.hpp"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>
#include <spdlog/logger.h>
#include <spdlog/sinks/sink.h>
#include <string>
#include <utility>

#include "os/stdio.hpp"

namespace mp {

namespace log {

namespace {

[[gnu::section("mp_at_fork")]] constinit std::atomic<const std::string*> current_name{nullptr};
constinit std::atomic<LogLevel> current_level{LogLevel::notset};
constinit std::atomic<bool> stderr_wanted{false};

void append(spdlog::memory_buf_t& line, std::string_view text) {
  line.append(text.data(), text.data() + text.size());
}

void append_level_name(spdlog::memory_buf_t& line, int level) {
  switch (static_cast<LogLevel>(level)) {
    case LogLevel::notset:
      return append(line, "NOTSET");
    case LogLevel::subdebug:
      return append(line, "SUBDEBUG");
    case LogLevel::debug:
      return append(line, "DEBUG");
    case LogLevel::info:
      return append(line, "INFO");
    case LogLevel::subwarning:
      return append(line, "SUBWARNING");
    case LogLevel::warning:
      return append(line, "WARNING");
    case LogLevel::error:
      return append(line, "ERROR");
    case LogLevel::critical:
      return append(line, "CRITICAL");
  }
  append(line, "Level ");
  append(line, std::to_string(level));
}

// "[%(levelname)s/%(processName)s] %(message)s". Keeps no state, so any number of threads may use
// the same one.
class Formatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    append(line, "[");
    // spdlog has fewer levels than we, so ours travels in the source location, which we have not.
    append_level_name(line, message.source.line);
    append(line, "/");
    append(line, process_name());
    append(line, "] ");
    append(line, {message.payload.data(), message.payload.size()});
    append(line, "\n");
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<Formatter>();
  }
};

class StderrSink final : public spdlog::sinks::sink {
 public:
  void log(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_.format(message, line);
    os::write_stderr({line.data(), line.size()});
  }
  void flush() override {}
  // The format is fixed.
  void set_pattern(const std::string& /*pattern*/) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter> /*formatter*/) override {}

 private:
  Formatter formatter_;
};

std::unique_ptr<spdlog::logger> make_backend() {
  auto backend =
      std::make_unique<spdlog::logger>("multiprocessing", std::make_shared<StderrSink>());
  backend->set_level(spdlog::level::trace);  // Logger has decided already
  // spdlog's own handler takes a lock.
  backend->set_error_handler([](const std::string&) {});
  return backend;
}

// Made when the program is loaded, or by an earlier initialisation that logs, and never destroyed:
// a destructor may log too.
spdlog::logger& backend() {
  static spdlog::logger& made = *make_backend().release();
  return made;
}
[[maybe_unused]] const spdlog::logger& made_at_load = backend();

spdlog::level::level_enum nearest(LogLevel level) noexcept {
  return level >= LogLevel::critical  ? spdlog::level::critical
         : level >= LogLevel::error   ? spdlog::level::err
         : level >= LogLevel::warning ? spdlog::level::warn
         : level >= LogLevel::info    ? spdlog::level::info
         : level >= LogLevel::debug   ? spdlog::level::debug
                                      : spdlog::level::trace;
}

}  // namespace

Settings settings() noexcept {
  return {current_level.load(), stderr_wanted.load()};
}

[[gnu::hot]] void apply(Settings settings) noexcept {
  // A forked child has them already; a store would copy a page.
  if (current_level.load() != settings.level) {
    current_level.store(settings.level);
  }
  if (stderr_wanted.load() != settings.to_stderr) {
    stderr_wanted.store(settings.to_stderr);
  }
}

std::string_view process_name() noexcept {
  const std::string* name = current_name.load(std::memory_order_acquire);  // set_process_name's
  return name == nullptr ? std::string_view{"MainProcess"} : *name;
}

[[gnu::hot]] void set_process_name(const std::string* name) noexcept {
  current_name.store(name, std::memory_order_release);
}

}  // namespace log

LogLevel Logger::level() const noexcept {
  return log::current_level.load();
}

void Logger::set_level(LogLevel level) noexcept {
  log::current_level.store(level);
}

LogLevel Logger::effective_level() const noexcept {
  const LogLevel set = level();
  return set == LogLevel::notset ? LogLevel::warning : set;
}

bool Logger::is_enabled_for(LogLevel level) const noexcept {
  const LogLevel least = effective_level();
  return level >= (log::stderr_wanted.load() ? least : std::max(least, LogLevel::warning));
}

void Logger::log(LogLevel level, std::string_view text) noexcept {
  if (!is_enabled_for(level)) {
    return;
  }
  try {
    const spdlog::source_loc where{"", static_cast<int>(level), ""};
    log::backend().log(where, log::nearest(level), spdlog::string_view_t{text.data(), text.size()});
  } catch (...) {
    // No memory for the line. Who logs is not to fail for it.
  }
}

Logger& get_logger() noexcept {
  static constinit Logger logger;
  return logger;
}

Logger& log_to_stderr(LogLevel level) noexcept {
  Logger& logger = get_logger();
  if (level != LogLevel::notset) {
    logger.set_level(level);
  }
  log::stderr_wanted.store(true);
  return logger;
}

}  // namespace mp
