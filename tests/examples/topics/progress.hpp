// SPDX-License-Identifier: Apache-2.0
// progress.hpp — how far the work is: a bar on a terminal, a line every tenth elsewhere.
#pragma once

#include <chrono>
#include <cstdio>

namespace topics {

class Progress {
 public:
  // Writes to `out`, which is asked whether it is a terminal.
  Progress(std::FILE* out, int total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step();

 private:
  void draw_bar();

  std::FILE* out_;
  int total_;
  int done_ = 0;
  bool terminal_;
  std::chrono::steady_clock::time_point begin_;
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace topics
