// SPDX-License-Identifier: Apache-2.0
// The form of the sources: what every file begins with, how long it may be, and what stands
// nowhere.
#include <algorithm>
#include <array>
#include <filesystem>
#include <gmock/gmock.h>
#include <regex>

#include "meta/sources.hpp"

namespace mp::meta {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kEverywhere = {"include", "lib", "tests", "benchmarks"};

constexpr std::size_t kLongestHeader = 350;
constexpr std::size_t kLongestSource = 600;

TEST(Style, FilesBeginWithTheirLicence) {
  const std::vector<Source> sources = sources_in(kEverywhere);
  ASSERT_GT(sources.size(), 100U);
  for (const Source& source : sources) {
    ASSERT_FALSE(source.lines.empty()) << source.path;
    EXPECT_EQ(source.lines[0], "// SPDX-License-Identifier: Apache-2.0") << source.at(0);
  }
}

// "// memory/gate.hpp — the one way to sleep": the path from where it is included, then what it is.
TEST(Style, HeadersSayWhatTheyAre) {
  const std::regex title{R"(^// (\S+\.hpp) — .{8,})"};
  for (const Source& source : sources_in(kEverywhere)) {
    if (!source.is_header()) {
      continue;
    }
    ASSERT_GT(source.lines.size(), 2U) << source.path;
    std::smatch match;
    EXPECT_TRUE(std::regex_match(source.lines[1], match, title)) << source.at(1);
    if (!match.empty()) {
      EXPECT_TRUE(("/" + source.path).ends_with("/" + match[1].str())) << source.at(1);
    }
    EXPECT_NE(std::find(source.lines.begin(), source.lines.end(), "#pragma once"),
              source.lines.end())
        << source.path;
  }
}

TEST(Style, FilesAreShort) {
  for (const Source& source : sources_in(kEverywhere)) {
    EXPECT_LE(source.lines.size(), source.is_header() ? kLongestHeader : kLongestSource)
        << source.path;
  }
}

TEST(Style, FoldersSayWhatIsInThem) {
  for (const std::string& folder : kEverywhere) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator{root() / folder}) {
      for (const char* empty_word : {"util", "utils", "helper", "helpers", "common", "misc"}) {
        EXPECT_NE(entry.path().stem(), empty_word) << entry.path();
      }
    }
  }
}

// What nobody may write, and where. Only code counts: comments may say why something is not there.
struct Ban {
  std::string what;
  std::vector<std::string> folders;
  std::string why;
};

std::vector<Ban> bans() {
  const std::vector<std::string> library = {"lib", "include"};
  return {
      {R"(\b(sleep_for|sleep_until|usleep)\b)", library, "waiting is done at gates"},
      {R"(\bFUTEX_[A-Z_]*PRIVATE\b)",
       {"lib", "include", "tests", "benchmarks"},
       "words are shared between processes"},
      {R"(\bpthread_(cond|barrier)_\w+)", library, "not safe against kills"},
      {R"(\b(sem_t|sem_init|sem_wait|sem_post|interprocess_condition)\b)", library,
       "not safe against kills"},
      {R"(\bsystem_clock::now\b)", library, "deadlines are on the steady clock"},
      {R"(\busing namespace (std|mp)\s*;)", library, "names say where they come from"},
  };
}

TEST(Style, NothingStandsWhereItMustNot) {
  for (const Ban& ban : bans()) {
    const std::regex pattern{ban.what};
    for (const Source& source : sources_in(ban.folders)) {
      for (std::size_t i = 0; i < source.code.size(); ++i) {
        EXPECT_FALSE(std::regex_search(source.code[i], pattern))
            << source.at(i) << ": " << ban.why << ": " << source.lines[i];
      }
    }
  }
}

TEST(Style, NothingIsLeftForLater) {
  // Taken apart, or this file would be the first to fail.
  const std::regex later{std::string{"\\b(TO"} + "DO|FIX" + "ME|XX" + "X)\\b"};
  for (const Source& source : sources_in(kEverywhere)) {
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(source.lines[i], later)) << source.at(i);
    }
  }
}

TEST(Sources, AreReadWithoutCommentsAndQuotes) {
  const std::vector<std::string> lines = {R"(int a = 1'000;  // sleep_for)",
                                          R"(f("// no \" comment", '"'); g();)", "/* one",
                                          "two */ h();"};
  EXPECT_THAT(code_of(lines),
              testing::ElementsAre("int a = 1'000;  ", R"(f("", ''); g();)", "", " h();"));
}

}  // namespace
}  // namespace mp::meta
