// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <algorithm>
#include <string>

#include <unistd.h>

#include "timed.hpp"

namespace topics {
namespace {

constexpr int kWidth = 40;
constexpr double kRedraw = 0.1;  // seconds

}  // namespace

Progress::Progress(std::FILE* out, int total)
    : out_{out},
      total_{total},
      terminal_{isatty(fileno(out)) == 1},
      begin_{std::chrono::steady_clock::now()} {}

Progress::~Progress() {
  if (terminal_ && done_ > 0) {
    std::fputc('\n', out_);
  }
}

void Progress::step() {
  ++done_;
  if (terminal_) {
    if (done_ == total_ || seconds_since(drawn_) >= kRedraw) {
      draw_bar();
    }
  } else if (const int tenth = done_ * 10 / total_; tenth != (done_ - 1) * 10 / total_) {
    std::fprintf(out_, "%3d %% (%d of %d tasks), %.1f s\n", tenth * 10, done_, total_,
                 seconds_since(begin_));
    std::fflush(out_);
  }
}

void Progress::draw_bar() {
  drawn_ = std::chrono::steady_clock::now();
  std::string bar(kWidth, '.');
  std::fill_n(bar.begin(), done_ * kWidth / total_, '#');
  const double elapsed = seconds_since(begin_);
  std::fprintf(out_, "\r[%s] %3d %%  %d of %d tasks  %.1f s, %.1f s left ", bar.c_str(),
               done_ * 100 / total_, done_, total_, elapsed, elapsed / done_ * (total_ - done_));
  std::fflush(out_);
}

}  // namespace topics
