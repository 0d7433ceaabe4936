// SPDX-License-Identifier: Apache-2.0
// harness/trace.hpp — one recorded run of an operation, and short ways to each point of it.
//
// Position k is the state after k steps; instruction k is the one that would run next. A stop costs
// 20 to 30 microseconds in a virtual machine, so reaching position k by k steps makes the trials of
// one operation quadratic. A breakpoint at instruction k stops at its *next* execution; from any
// position after the one before, that is k. route() joins such runs with single steps so that the
// stops are fewest: two or three for most positions of an operation of any length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mp::crash {

class Trace {
 public:
  struct Point {
    std::size_t position = 0;
    bool asleep = false;  // in the system call at `position`, which sleeps

    friend bool operator==(const Point&, const Point&) = default;
  };

  // Builds the trace of a run that stood on these instructions, the last one being where it ended.
  Trace(std::vector<std::uintptr_t> instructions, std::vector<std::size_t> sleeps);

  // How many steps the operation took.
  std::size_t steps() const { return instructions_.size() - 1; }
  std::uintptr_t instruction(std::size_t position) const { return instructions_[position]; }
  // The positions at which to stop on the way to `position`, itself included. A hop to the next
  // position is a step, any other one a run to a breakpoint.
  std::vector<std::size_t> route(std::size_t position) const;
  // Every position, and every sleep. An instruction that runs more than `visits` times (a loop, a
  // `rep`) counts the first `visits` times and the last time.
  std::vector<Point> points(std::size_t visits) const;

 private:
  std::vector<std::uintptr_t> instructions_;
  std::vector<std::size_t> sleeps_;
  std::vector<std::size_t> from_;  // the stop before position k on the shortest route
};

}  // namespace mp::crash
