// SPDX-License-Identifier: Apache-2.0
// options.hpp — the command line.
#pragma once

#include <optional>
#include <string>

#include "corpus.hpp"

namespace topics {

struct Options {
  Source source;
  int processes = 1;
  bool serial = false;
  std::string start;  // empty for the default
  bool compare = false;
  std::string journal;  // where finished tasks are kept; empty: nowhere
  // The `share`-th of `shares` equal parts of the search, and nothing else; all of it when 0.
  int share = 0;
  int shares = 1;
};

// Reads the command line. When the program has nothing more to do, because it gave help, the
// answer is empty. Throws InputError when something is wrong.
std::optional<Options> parse(int argc, char** argv);

}  // namespace topics
