// SPDX-License-Identifier: Apache-2.0
// meta/sources.hpp — the files of the tree, for tests that read them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace mp::meta {

struct Source {
  std::string path;                // from the top of the tree, with slashes
  std::vector<std::string> lines;  // as they are
  std::vector<std::string> code;   // without comments and without what is between quotes

  bool is_header() const { return path.ends_with(".hpp"); }
  // "path:line", lines from 1.
  std::string at(std::size_t index) const { return path + ":" + std::to_string(index + 1); }
};

// The top of the tree.
std::filesystem::path root();
// The C++ files below those folders of the tree, by name.
std::vector<Source> sources_in(const std::vector<std::string>& folders);
Source read_source(const std::string& path);
// The same lines without comments and quoted text.
std::vector<std::string> code_of(const std::vector<std::string>& lines);

}  // namespace mp::meta
