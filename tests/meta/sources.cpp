// SPDX-License-Identifier: Apache-2.0
#include "meta/sources.hpp"

#include <algorithm>
#include <fstream>

namespace mp::meta {

namespace fs = std::filesystem;

fs::path root() {
  return MP_SOURCE_DIR;
}

Source read_source(const std::string& path) {
  Source source{.path = path, .lines = {}, .code = {}};
  std::ifstream in{root() / path};
  for (std::string line; std::getline(in, line);) {
    source.lines.push_back(line);
  }
  source.code = code_of(source.lines);
  return source;
}

std::vector<Source> sources_in(const std::vector<std::string>& folders) {
  std::vector<std::string> paths;
  for (const std::string& folder : folders) {
    if (!fs::exists(root() / folder)) {
      continue;
    }
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator{root() / folder}) {
      const std::string extension = entry.path().extension();
      if (entry.is_regular_file() && (extension == ".hpp" || extension == ".cpp")) {
        paths.push_back(fs::relative(entry.path(), root()).generic_string());
      }
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Source> sources;
  for (const std::string& path : paths) {
    sources.push_back(read_source(path));
  }
  return sources;
}

std::vector<std::string> code_of(const std::vector<std::string>& lines) {
  std::vector<std::string> code;
  bool in_comment = false;
  for (const std::string& line : lines) {
    std::string kept;
    char quote = '\0';
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string_view rest = std::string_view{line}.substr(i);
      if (in_comment) {
        in_comment = !rest.starts_with("*/");
        i += in_comment ? 0 : 1;
      } else if (quote != '\0') {
        if (line[i] == '\\') {
          ++i;
        } else if (line[i] == quote) {
          quote = '\0';
          kept += line[i];
        }
      } else if (rest.starts_with("//")) {
        break;
      } else if (rest.starts_with("/*")) {
        in_comment = true;
        ++i;
      } else {
        // A quote between digits separates them: 1'000.
        const bool is_separator =
            line[i] == '\'' && i > 0 && std::isalnum(static_cast<unsigned char>(line[i - 1])) != 0;
        if (line[i] == '"' || (line[i] == '\'' && !is_separator)) {
          quote = line[i];
        }
        kept += line[i];
      }
    }
    code.push_back(kept);
  }
  return code;
}

}  // namespace mp::meta
