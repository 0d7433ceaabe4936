// SPDX-License-Identifier: Apache-2.0
// text_folder.hpp — a folder of small texts for the tests, gone with the object.
#pragma once

#include <fstream>
#include <string>

#include "support/scratch_dir.hpp"

namespace topics {

class TextFolder {
 public:
  [[nodiscard]] std::string path() const { return dir_.path().string(); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream{dir_.path() / name} << text;
  }

  // So many different lines about one word.
  static std::string lines(const std::string& word, int count) {
    static const char* const kOthers[] = {"blue", "deep", "cold", "wild", "far", "near", "old"};
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += word + ' ' + kOthers[i % 7] + ' ' + kOthers[i / 7 % 7] + ' ' +
              std::string(i / 49 + 2, 'x') + '\n';
    }
    return text;
  }

 private:
  mp::test::ScratchDir dir_;
};

}  // namespace topics
