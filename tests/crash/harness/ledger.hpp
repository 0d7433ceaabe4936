// SPDX-License-Identifier: Apache-2.0
// harness/ledger.hpp — the table of what was killed.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "harness/kill_harness.hpp"

namespace mp::crash {

class Ledger {
 public:
  // The one that is printed when the program ends.
  static Ledger& of_this_program();

  void enter(const Campaign& campaign);
  bool is_empty() const { return rows_.empty(); }
  // As markdown; the heading is left out when the rows go below another ledger's.
  void print(std::ostream& out, bool heading = true) const;
  // Appends to the file, with a heading if it is new. Test programs may do so at the same time.
  void append_to(const std::string& path) const;

 private:
  struct Row {
    std::string name = {};
    std::string state = {};
    std::size_t steps = 0;
    std::size_t one = 0;
    std::size_t skipped = 0;
    std::size_t two = 0;
    std::size_t parties = 0;
    std::size_t stopped = 0;
    std::size_t hung = 0;
    std::size_t broken = 0;
  };

  std::vector<Row> rows_;
};

}  // namespace mp::crash
