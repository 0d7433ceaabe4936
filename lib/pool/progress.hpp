// SPDX-License-Identifier: Apache-2.0
// pool/progress.hpp — the text of progress bars: pure functions of numbers.
//
// Threads: a ProgressScreen is used under its owner's lock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mp::pool {

struct ProgressState {
  std::string_view label;
  std::uint64_t done;
  std::uint64_t total;  // 0: not known
  double seconds;
};

// A line without its end, at most `width` columns long. Bytes beyond ASCII in a label count as
// one column each at most, so a line may be shorter than it could be, never longer.
[[nodiscard]] std::string progress_bar(const ProgressState& state, unsigned width);
// The same for a log: no bar.
[[nodiscard]] std::string progress_line(const ProgressState& state);

// What is on a terminal: finished lines scroll away, running ones are written over.
class ProgressScreen {
 public:
  // What to write, in one piece.
  [[nodiscard]] std::string draw(const std::vector<std::string>& finished,
                                 const std::vector<std::string>& running, unsigned width);

 private:
  std::vector<std::size_t> shown_;  // columns of the lines that stand there
};

}  // namespace mp::pool
