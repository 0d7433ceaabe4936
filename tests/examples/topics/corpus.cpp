// SPDX-License-Identifier: Apache-2.0
#include "corpus.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unordered_map>
#include <utility>

namespace topics {
namespace {

namespace fs = std::filesystem;

constexpr int kFewestLines = 10;  // what cross-validation and holding out need of each topic

// Bytes of UTF-8 beyond ASCII count as letters, so that no word is cut at an accent.
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// FNV-1a: puts lines in an order that has nothing to do with that of the file.
std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return h;
}

std::vector<fs::path> list_files(const Source& source) {
  std::error_code error;
  if (!fs::is_directory(source.folder, error)) {
    throw InputError{"there is no folder " + source.folder};
  }
  std::vector<fs::path> files;
  for (const std::string& name : source.files) {
    files.push_back(fs::path{source.folder} / name);
  }
  if (files.empty()) {
    for (const fs::directory_entry& entry : fs::directory_iterator{source.folder, error}) {
      const fs::path& path = entry.path();
      // .dat and .u8 are fortune's index and its second name for the same file.
      if (entry.is_regular_file(error) && path.filename().native().front() != '.' &&
          path.extension() != ".dat" && path.extension() != ".u8") {
        files.push_back(path);
      }
    }
    std::sort(files.begin(), files.end());
  }
  if (error) {
    throw InputError{"cannot read folder " + source.folder + ": " + error.message()};
  }
  if (files.size() < 2) {
    throw InputError{"folder " + source.folder + " needs at least two text files, one a topic"};
  }
  return files;
}

std::vector<std::string> read_lines(const fs::path& path, int at_most) {
  std::ifstream file{path, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!file.is_open() || file.bad()) {
    throw InputError{"cannot read " + path.string()};
  }
  std::vector<std::string> lines = split_lines(text);
  if (lines.empty()) {
    throw InputError{"file " + path.string() + " has no line of text"};
  }
  if (lines.size() < kFewestLines) {
    throw InputError{"file " + path.string() + " has fewer than " + std::to_string(kFewestLines) +
                     " lines of text"};
  }
  std::sort(lines.begin(), lines.end(), [](const std::string& a, const std::string& b) {
    return std::pair{hash(a), std::string_view{a}} < std::pair{hash(b), std::string_view{b}};
  });
  lines.resize(std::min(lines.size(), static_cast<std::size_t>(at_most)));
  return lines;
}

}  // namespace

Source default_source() {
  return {.folder = "/usr/share/games/fortunes",
          .files = {"definitions", "law", "linux", "men-women", "perl", "science", "songs-poems",
                    "startrek"}};
}

Corpus read_corpus(const Source& source) {
  Corpus corpus;
  std::unordered_map<std::string, int> ids;
  for (const fs::path& path : list_files(source)) {
    const int topic = static_cast<int>(corpus.topics.size());
    corpus.topics.push_back(path.stem().string());
    int position = 0;
    for (const std::string& text : read_lines(path, source.lines_per_topic)) {
      Line line{.topic = topic, .words = {}};
      for (std::string& word : split_words(text)) {
        const auto [entry, is_new] = ids.try_emplace(word, static_cast<int>(ids.size()));
        if (is_new) {
          corpus.words.push_back(std::move(word));
        }
        line.words.push_back(entry->second);
      }
      (++position % 5 == 0 ? corpus.held_out : corpus.training).push_back(std::move(line));
    }
  }
  return corpus;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> physical;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    physical.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  const bool fortunes = std::count(physical.begin(), physical.end(), "%") > 0;
  std::vector<std::string> lines;
  std::string entry;
  const auto finish = [&] {
    if (!split_words(entry).empty()) {
      lines.push_back(std::move(entry));
    }
    entry.clear();
  };
  for (const std::string& line : physical) {
    if (line != "%") {
      entry += line;
      entry += ' ';
    }
    if (!fortunes || line == "%") {
      finish();
    }
  }
  finish();
  return lines;
}

std::vector<std::string> split_words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && is_letter(line[i])) {
      word += lower(line[i]);
    } else {
      if (word.size() >= 2) {
        words.push_back(std::move(word));
      }
      word.clear();
    }
  }
  return words;
}

}  // namespace topics
