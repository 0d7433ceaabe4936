// SPDX-License-Identifier: Apache-2.0
// features.hpp — lines as rows of numbers: which words count, and how much.
#pragma once

#include <Eigen/SparseCore>
#include <vector>

#include "corpus.hpp"

namespace topics {

using Rows = Eigen::SparseMatrix<double, Eigen::RowMajor>;
using Lines = std::vector<const Line*>;

// How often a word stands in a line counts as: once, as often, or 1 + ln(as often).
enum class TermWeight { presence, count, log_count };

// How lines become numbers.
struct Recipe {
  int vocabulary = 400;  // so many words, the most frequent ones
  double common = 1.0;   // without those that stand in more than this share of the lines
  TermWeight term = TermWeight::count;
  double rarity = 0.0;       // exponent of a word's inverse document frequency
  bool unit_length = false;  // whether rows are scaled to length 1
};

// A vocabulary with its weights, learnt from some lines and applicable to any.
class Features {
 public:
  Features(const Recipe& recipe, const Corpus& corpus, const Lines& lines);

  [[nodiscard]] int size() const { return static_cast<int>(weights_.size()); }
  [[nodiscard]] Rows rows(const Lines& lines) const;

 private:
  Recipe recipe_;
  std::vector<int> columns_;     // of each word of the corpus, -1 when it does not count
  std::vector<double> weights_;  // of each column
};

}  // namespace topics
