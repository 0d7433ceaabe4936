// SPDX-License-Identifier: Apache-2.0
// corpus.hpp — the text: lines of words, each with its topic.
//
// A folder holds one text file for each topic, named after it. A line of the file is a line of the
// text; in a file of fortunes, where a line with a single % stands between the entries, each entry
// is one. Which lines are taken and which of them are held out depends on the lines alone, so
// every process that reads a folder sees the same corpus.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace topics {

// What the user gave cannot be worked with; what() is one line for them.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Where a corpus comes from.
struct Source {
  std::string folder;
  std::vector<std::string> files;  // the topics to read; empty for all files of the folder
  int lines_per_topic = 500;       // what a topic has more is left out
};

// The eight topics from Debian's package fortunes that are read when the user names no folder.
Source default_source();

struct Line {
  int topic = 0;
  std::vector<int> words;  // positions in Corpus::words
};

struct Corpus {
  std::vector<std::string> topics;
  std::vector<std::string> words;
  std::vector<Line> training;
  std::vector<Line> held_out;  // every fifth line of each topic
};

// Reads the text. Throws InputError when a file or the folder cannot be used.
Corpus read_corpus(const Source& source);

// The lines of a text or, in a file of fortunes, its entries; those without any word are left out.
std::vector<std::string> split_lines(std::string_view text);

// The words of a line: runs of two or more letters, in lower case.
std::vector<std::string> split_words(std::string_view line);

}  // namespace topics
