// SPDX-License-Identifier: Apache-2.0
#include "pool/progress.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <span>
#include <utility>

#include "mp/memory/object_ref.hpp"
#include "mp/pool/progress.hpp"
#include "mp/process/raw_call.hpp"

#include "memory/fork_mutex.hpp"
#include "os/clock.hpp"
#include "os/proc.hpp"
#include "os/stdio.hpp"
#include "os/terminal.hpp"

namespace mp::pool {

namespace {

constexpr unsigned kWidest = 120;
constexpr unsigned kLongestBar = 30;
constexpr unsigned kShortestBar = 5;

std::string format(const char* pattern, double value) {
  std::array<char, 48> text{};
  const int size = std::snprintf(text.data(), text.size(), pattern, value);
  return {text.data(), static_cast<std::size_t>(std::max(size, 0))};
}

std::string duration(double seconds) {
  if (seconds < 60) {
    return format("%.1f s", seconds);
  }
  const auto whole = static_cast<std::uint64_t>(seconds);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%llu:%02u:%02u",
                static_cast<unsigned long long>(whole / 3600),
                static_cast<unsigned>(whole / 60 % 60), static_cast<unsigned>(whole % 60));
  return text.data();
}

std::uint64_t percent(const ProgressState& state) {
  return state.total == 0 ? 0
                          : static_cast<std::uint64_t>(100.0 * static_cast<double>(state.done) /
                                                       static_cast<double>(state.total));
}

// "420 of 1000, 12.3 s, 17.0 s left, 34.1/s"
std::string numbers(const ProgressState& state) {
  std::string text = std::to_string(state.done);
  if (state.total != 0) {
    text += " of " + std::to_string(state.total);
  }
  text += ", " + duration(state.seconds);
  if (state.done != 0 && state.seconds > 0) {
    const double rate = static_cast<double>(state.done) / state.seconds;
    if (state.done < state.total) {
      text += ", " + duration(static_cast<double>(state.total - state.done) / rate) + " left";
    }
    text += ", " + (rate >= 1 ? format("%.1f/s", rate) : format("%.1f s each", 1 / rate));
  }
  return text;
}

}  // namespace

std::string progress_bar(const ProgressState& state, unsigned width) {
  width = std::min(width, kWidest);
  std::string label{state.label};
  // Control characters would move the cursor.
  std::ranges::replace_if(
      label, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  std::string head = label + ' ';
  if (state.total != 0) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%3u %% ", static_cast<unsigned>(percent(state)));
    head += text.data();
  }
  const std::string tail = numbers(state);
  const std::size_t taken = head.size() + tail.size() + 3;
  if (state.total != 0 && taken + kShortestBar <= width) {
    const std::size_t length = std::min<std::size_t>(width - taken, kLongestBar);
    const auto full =
        static_cast<std::size_t>(static_cast<double>(length) * static_cast<double>(state.done) /
                                 static_cast<double>(state.total));
    head += '|' + std::string(std::min(full, length), '#') +
            std::string(length - std::min(full, length), ' ') + "| ";
  }
  std::string line = head + tail;
  if (line.size() > width) {
    line.resize(width);
    // Not through the middle of a character of UTF-8.
    while (!line.empty() && (line.back() & 0xc0) == 0x80) {
      line.pop_back();
    }
    if (!line.empty() && (line.back() & 0x80) != 0) {
      line.pop_back();
    }
  }
  return line;
}

std::string progress_line(const ProgressState& state) {
  std::string line{state.label};
  line += ": ";
  if (state.total != 0) {
    line += std::to_string(percent(state)) + " %, ";
  }
  return line + numbers(state);
}

std::string ProgressScreen::draw(const std::vector<std::string>& finished,
                                 const std::vector<std::string>& running, unsigned width) {
  std::string out;
  // A terminal that became narrower has broken our lines into several.
  std::size_t rows = 0;
  for (const std::size_t columns : shown_) {
    rows += std::max<std::size_t>(1, (columns + width - 1) / std::max(width, 1u));
  }
  if (rows > 1) {
    out += "\x1b[" + std::to_string(rows - 1) + "A";
  }
  if (rows > 0) {
    out += '\r';
  }
  shown_.clear();
  for (const std::string& line : finished) {
    out += line + "\x1b[K\n";
  }
  for (const std::string& line : running) {
    out += (shown_.empty() ? "" : "\n") + line + "\x1b[K";
    shown_.push_back(line.size());
  }
  out += "\x1b[J";  // lines of bars that are gone
  return out;
}

}  // namespace mp::pool

namespace mp::detail {

namespace {

using pool::ProgressState;

constexpr std::int64_t kRedraw = 100'000'000;  // nanoseconds

struct Shown {
  std::shared_ptr<Progress> progress;
  std::string label;
  std::uint64_t total;
  std::int64_t begin;
  std::uint64_t done = 0;      // when last looked at
  std::uint64_t next_log = 0;  // the next line of a log is due when so many are done
};

[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{15};
std::atomic<std::size_t> shown_count{0};
std::atomic<std::int64_t> last_drawn{0};
std::uint32_t generation = 0;  // guarded by mutex, as is what follows

struct Registry {
  std::vector<Shown> bars;
  pool::ProgressScreen screen;
};
Registry& registry() {
  static auto* all = new Registry;
  return *all;
}

// Whether all is done, or nobody else has it any more.
bool is_over(const Shown& bar) {
  if (bar.progress.use_count() == 1) {
    // What whoever let go of it last had counted is seen.
    std::atomic_thread_fence(std::memory_order_acquire);
    return true;
  }
  return bar.total != 0 && bar.progress->done() >= bar.total;
}

std::uint64_t next_log(const Shown& bar) {
  if (bar.total == 0) {
    return std::max<std::uint64_t>(1, bar.done * 2);
  }
  const std::uint64_t tenth = bar.done * 10 / bar.total + 1;
  return (tenth * bar.total + 9) / 10;
}

// Looks at the bars and returns what to write. Under the lock.
std::string render(std::int64_t now, os::StreamKind kind) {
  Registry& all = registry();
  std::vector<std::string> finished;
  std::vector<std::string> running;
  std::string log;
  const unsigned width = kind == os::StreamKind::terminal ? os::terminal_width() : 0;
  std::erase_if(all.bars, [&](Shown& bar) {
    const bool over = is_over(bar);
    bar.done = bar.progress->done();
    const ProgressState state{bar.label, bar.done, bar.total,
                              static_cast<double>(now - bar.begin) / 1e9};
    if (kind == os::StreamKind::terminal) {
      (over ? finished : running).push_back(pool::progress_bar(state, width));
    } else if (over || bar.done >= bar.next_log) {
      log += pool::progress_line(state) + '\n';
      bar.next_log = next_log(bar);
    }
    return over;
  });
  shown_count.store(all.bars.size(), std::memory_order_relaxed);
  return kind == os::StreamKind::terminal ? all.screen.draw(finished, running, width) : log;
}

bool asked_for() {
  const auto text = os::trusted_env("MP_PROGRESS");
  return text && !text->empty() && *text != "0";
}

}  // namespace

Progress::Progress(std::string label, std::uint64_t total)
    : label_{std::move(label)}, total_{total} {}

std::shared_ptr<Progress> make_progress(const std::string& label, const std::type_info& callable,
                                        std::uint64_t total) {
  if ((label.empty() && !asked_for()) || os::stderr_kind() == os::StreamKind::closed) {
    return nullptr;
  }
  auto progress = std::make_shared<Progress>(label.empty() ? type_name(callable) : label, total);
  Shown bar{progress, progress->label(), total, os::monotonic_ns()};
  bar.next_log = next_log(bar);
  const std::lock_guard hold{mutex};
  if (std::exchange(generation, fork_generation) != fork_generation) {
    registry() = {};  // a forked child's bars are its own
  }
  registry().bars.push_back(std::move(bar));
  shown_count.store(registry().bars.size(), std::memory_order_relaxed);
  return progress;
}

bool progress_is_shown() noexcept {
  return shown_count.load(std::memory_order_relaxed) != 0;
}

void tick_progress() noexcept {
  if (!progress_is_shown()) {
    return;
  }
  const std::int64_t now = os::monotonic_ns();
  try {
    const std::lock_guard hold{mutex};
    if (generation != fork_generation) {
      return;
    }
    // One that has ended is not kept waiting: nobody may come to draw it later.
    const bool ended = std::ranges::any_of(registry().bars, is_over);
    if (!ended && now - last_drawn.load(std::memory_order_relaxed) < kRedraw) {
      return;
    }
    last_drawn.store(now, std::memory_order_relaxed);
    const os::StreamKind kind = os::stderr_kind();
    const std::string text = render(now, kind);
    if (kind != os::StreamKind::closed && !text.empty()) {
      os::write_stderr(text);
    }
  } catch (const std::exception&) {
    // A bar is no reason to fail.
  }
}

}  // namespace mp::detail
