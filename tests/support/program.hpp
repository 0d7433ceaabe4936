// SPDX-License-Identifier: Apache-2.0
// support/program.hpp — another program that runs as a child, and what it prints.
//
//     Program python{{"/usr/bin/python3", "-c", "print(1)"}};
//     EXPECT_EQ(python.line(), "1");
//     EXPECT_EQ(python.child().wait(), exited(0));
//
// It ends with kNotRun when there is no such program.
//
// Owns:   the process, as Child does, and the other end of its stdout.
// Blocks: line(), until there is one or the program has closed its stdout.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/child.hpp"

namespace mp::test {

constexpr int kNotRun = 125;

class Program {
 public:
  // The path of a program, and its arguments.
  explicit Program(std::vector<std::string> words);
  Program(Program&& other) noexcept
      : out_{std::exchange(other.out_, -1)}, child_{std::move(other.child_)} {}
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  Program& operator=(Program&&) = delete;
  ~Program();

  // The next line that it prints; empty at the end.
  std::string line();
  Child& child() noexcept { return child_; }

 private:
  static Child start(std::vector<std::string> words, int& out);

  int out_ = -1;
  Child child_;
};

// The interpreters that tests speak to: /usr/bin/python3, or those that MP_TEST_PYTHON names,
// separated by colons. None where there is none.
std::vector<std::string> pythons();

}  // namespace mp::test
