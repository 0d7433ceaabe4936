// SPDX-License-Identifier: Apache-2.0
// An Array costs what memory costs: the machine code of its loops is that of a raw span's.
// loops.cpp is compiled with -O2 whatever the build; registers are told apart by the order they
// come in.
#include <algorithm>
#include <cstdio>
#include <gmock/gmock.h>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace mp {
namespace {

struct Instruction {
  unsigned long address;
  std::string text;
};

std::vector<Instruction> disassemble(const std::string& function) {
  const std::string command =
      "objdump -d --no-show-raw-insn --disassemble=" + function + " " MP_TEST_LOOPS " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string out;
  char piece[4096];
  while (pipe != nullptr && std::fgets(piece, sizeof piece, pipe) != nullptr) {
    out += piece;
  }
  if (pipe != nullptr) {
    ::pclose(pipe);
  }
  const std::regex line{R"(^\s*([0-9a-f]+):\s+(.*?)\s*$)"};
  std::vector<Instruction> code;
  std::istringstream lines{out};
  for (std::string text; std::getline(lines, text);) {
    std::smatch match;
    if (std::regex_match(text, match, line)) {
      code.push_back({std::stoul(match[1], nullptr, 16), match[2]});
    }
  }
  return code;
}

// The instructions between the target of a jump backwards and that jump; the first such loop, with
// registers as %0, %1... and without addresses.
std::vector<std::string> loop_of(const std::string& function) {
  const std::vector<Instruction> code = disassemble(function);
  const std::regex jump{R"(^j\w+\s+([0-9a-f]+).*)"};
  for (std::size_t end = 0; end < code.size(); ++end) {
    std::smatch match;
    if (!std::regex_match(code[end].text, match, jump)) {
      continue;
    }
    const unsigned long target = std::stoul(match[1], nullptr, 16);
    if (target > code[end].address || target < code.front().address) {
      continue;
    }
    std::vector<std::string> loop;
    std::map<std::string, std::string> names;
    for (const Instruction& each : code) {
      if (each.address < target || each.address > code[end].address) {
        continue;
      }
      std::string text = std::regex_replace(each.text, std::regex{R"((j\w+\s+).*)"}, "$1");
      std::string plain;
      const std::regex reg{R"(%\w+)"};
      std::size_t at = 0;
      for (std::sregex_iterator it{text.begin(), text.end(), reg}, none; it != none; ++it) {
        const auto name = names.emplace(it->str(), "%" + std::to_string(names.size())).first;
        plain += text.substr(at, static_cast<std::size_t>(it->position()) - at) + name->second;
        at = static_cast<std::size_t>(it->position() + it->length());
      }
      plain += text.substr(at);
      // Whether two things are equal does not depend on which is named first.
      std::smatch pair;
      if (code[end].text.starts_with("jne") &&
          std::regex_match(plain, pair, std::regex{R"(cmp\s+(%\d+),(%\d+))"})) {
        plain = "cmp " + std::min(pair[1].str(), pair[2].str()) + "," +
                std::max(pair[1].str(), pair[2].str());
      }
      loop.push_back(plain);
    }
    return loop;
  }
  return {};
}

class Loop : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Kinds, Loop,
                         testing::Values("sum_range", "sum_index", "increment", "increment_index"),
                         [](const auto& kind) { return std::string{kind.param}; });

TEST_P(Loop, IsThatOfARawSpan) {
  const std::vector<std::string> span = loop_of(std::string{"span_"} + GetParam());
  ASSERT_GE(span.size(), 3U) << "objdump shows no loop";
  EXPECT_THAT(loop_of(std::string{"array_"} + GetParam()), testing::ElementsAreArray(span));
}

}  // namespace
}  // namespace mp
