// SPDX-License-Identifier: Apache-2.0
#include "harness/ledger.hpp"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>
#include <iostream>
#include <random>
#include <sstream>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/symbol.hpp"

namespace mp::crash {
namespace {

class PrintAtTheEnd : public testing::Environment {
 public:
  void TearDown() override {
    const Ledger& ledger = Ledger::of_this_program();
    if (ledger.is_empty()) {
      return;
    }
    ledger.print(std::cout);
    if (const char* path = std::getenv("MP_KILL_TABLE"); path != nullptr) {
      ledger.append_to(path);
    }
  }
};

// Owned by GoogleTest.
const testing::Environment* const g_print_at_the_end =
    testing::AddGlobalTestEnvironment(new PrintAtTheEnd);

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

const char* name_of(Fate fate) {
  switch (fate) {
    case Fate::hung:
      return "HANG";
    case Fate::broken:
      return "BROKEN";
    case Fate::crashed:
      return "CRASH";
  }
  return "?";
}

}  // namespace

Plan Plan::from_environment() {
  Plan plan;
  plan.stride = number_from("MP_KILL_STRIDE", 0);
  static const std::uint64_t kSeed = number_from("MP_KILL_SEED", std::random_device{}());
  plan.seed = kSeed;
  if (const char* range = std::getenv("MP_KILL_RANGE"); range != nullptr) {
    char* dash = nullptr;
    plan.first = std::strtoull(range, &dash, 0);
    plan.last = *dash == '-' ? std::strtoull(dash + 1, nullptr, 0) : plan.first;
  }
  return plan;
}

std::string Campaign::report() const {
  std::ostringstream out;
  out << name << " [" << state << "], " << kind << ": " << findings.size() << " finding(s) in "
      << trials << " trials over " << steps << " instructions; MP_KILL_SEED=" << seed << "\n";
  for (const Finding& finding : findings) {
    out << "  " << name_of(finding.fate) << " after step " << finding.position
        << (finding.asleep ? ", asleep" : "");
    if (finding.second) {
      out << ", the second one after step " << *finding.second;
    }
    out << ", before " << symbol_of(finding.instruction) << "\n    " << finding.text << "\n";
  }
  return out.str();
}

Ledger& Ledger::of_this_program() {
  static Ledger ledger;
  return ledger;
}

void Ledger::enter(const Campaign& campaign) {
  auto row = std::find_if(rows_.begin(), rows_.end(), [&](const Row& other) {
    return other.name == campaign.name && other.state == campaign.state;
  });
  if (row == rows_.end()) {
    row = rows_.insert(rows_.end(), Row{.name = campaign.name, .state = campaign.state});
  }
  row->steps = campaign.steps;
  row->skipped = std::max(row->skipped, campaign.skipped);
  (campaign.kind == "one victim"    ? row->one
   : campaign.kind == "two victims" ? row->two
   : campaign.kind == "two parties" ? row->parties
                                    : row->stopped) += campaign.trials;
  for (const Finding& finding : campaign.findings) {
    ++(finding.fate == Fate::hung ? row->hung : row->broken);
  }
}

void Ledger::print(std::ostream& out, bool heading) const {
  if (heading) {
    out << "| operation | state | instructions | killed at | repeats skipped | two victims | "
           "two parties | stopped | hangs | broken |\n"
           "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";
  }
  for (const Row& row : rows_) {
    out << "| " << row.name << " | " << row.state;
    for (const std::size_t number : {row.steps, row.one, row.skipped, row.two, row.parties,
                                     row.stopped, row.hung, row.broken}) {
      out << " | " << number;
    }
    out << " |\n";
  }
}

void Ledger::append_to(const std::string& path) const {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  struct stat info {};
  if (fd < 0 || ::flock(fd, LOCK_EX) != 0 || ::fstat(fd, &info) != 0) {
    throw std::system_error{errno, std::system_category(), path};
  }
  std::ostringstream text;
  print(text, info.st_size == 0);
  if (::write(fd, text.str().data(), text.str().size()) < 0) {
    throw std::system_error{errno, std::system_category(), path};
  }
  ::close(fd);
}

}  // namespace mp::crash
