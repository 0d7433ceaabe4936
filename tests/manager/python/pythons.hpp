// SPDX-License-Identifier: Apache-2.0
// manager/python/pythons.hpp — the interpreters that the tests speak to.
//
// /usr/bin/python3, or those that MP_TEST_PYTHON names, separated by colons.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace mp::test {

inline std::vector<std::string> pythons() {
  std::vector<std::string> found;
  const char* named = std::getenv("MP_TEST_PYTHON");
  std::istringstream list{named != nullptr ? named : "/usr/bin/python3"};
  for (std::string path; std::getline(list, path, ':');) {
    if (std::filesystem::exists(path)) {
      found.push_back(path);
    }
  }
  return found;
}

}  // namespace mp::test
