// SPDX-License-Identifier: Apache-2.0
#include "features.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace topics {
namespace {

// The distinct words of a line with the number of their occurrences, in the words' order.
std::vector<std::pair<int, int>> count_words(const Line& line) {
  std::vector<int> words = line.words;
  std::sort(words.begin(), words.end());
  std::vector<std::pair<int, int>> counts;
  for (const int word : words) {
    if (counts.empty() || counts.back().first != word) {
      counts.emplace_back(word, 0);
    }
    ++counts.back().second;
  }
  return counts;
}

double term_weight(TermWeight kind, int count) {
  switch (kind) {
    case TermWeight::presence:
      return 1.0;
    case TermWeight::count:
      return count;
    case TermWeight::log_count:
      return 1.0 + std::log(count);
  }
  return 0.0;
}

}  // namespace

Features::Features(const Recipe& recipe, const Corpus& corpus, const Lines& lines)
    : recipe_{recipe}, columns_(corpus.words.size(), -1) {
  std::vector<int> frequency(corpus.words.size(), 0);
  for (const Line* line : lines) {
    for (const auto& [word, count] : count_words(*line)) {
      ++frequency[word];
    }
  }
  const auto total = static_cast<double>(lines.size());
  std::vector<int> words;
  for (int word = 0; word < static_cast<int>(frequency.size()); ++word) {
    // A word that stands in one line says nothing about any other line.
    if (frequency[word] >= 2 && frequency[word] <= recipe.common * total) {
      words.push_back(word);
    }
  }
  std::stable_sort(words.begin(), words.end(),
                   [&](int a, int b) { return frequency[a] > frequency[b]; });
  words.resize(std::min(words.size(), static_cast<std::size_t>(recipe.vocabulary)));
  for (const int word : words) {
    columns_[word] = size();
    const double rarity = 1.0 + std::log((1.0 + total) / (1.0 + frequency[word]));
    weights_.push_back(std::pow(rarity, recipe.rarity));
  }
}

Rows Features::rows(const Lines& lines) const {
  std::vector<Eigen::Triplet<double>> entries;
  for (std::size_t row = 0; row < lines.size(); ++row) {
    const std::size_t begin = entries.size();
    double square = 0.0;
    for (const auto& [word, count] : count_words(*lines[row])) {
      if (const int column = columns_[word]; column >= 0) {
        const double value = term_weight(recipe_.term, count) * weights_[column];
        square += value * value;
        entries.emplace_back(static_cast<int>(row), column, value);
      }
    }
    if (recipe_.unit_length && square > 0.0) {
      for (std::size_t i = begin; i < entries.size(); ++i) {
        entries[i] = {entries[i].row(), entries[i].col(), entries[i].value() / std::sqrt(square)};
      }
    }
  }
  Rows rows{static_cast<Eigen::Index>(lines.size()), size()};
  rows.setFromTriplets(entries.begin(), entries.end());
  return rows;
}

}  // namespace topics
