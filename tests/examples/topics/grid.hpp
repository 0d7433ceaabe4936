// SPDX-License-Identifier: Apache-2.0
// grid.hpp — the search: which parameters suit each topic best.
//
// A combination is a recipe for features and a lambda; there are 1782 of them. Each is judged for
// each topic by cross-validation: of three folds of the training lines one is predicted by a model
// of the two others, three times, and the squared errors are added up.
//
// A batch is one recipe on one fold. It serves all lambdas and topics, because they share the rows
// and their moments. All batches are independent of one another, which is what a pool is good at.
#pragma once

#include <array>
#include <vector>

#include "corpus.hpp"
#include "features.hpp"

namespace topics {

inline constexpr std::array kLambdas = {0.01, 0.03, 0.1,   0.3,   1.0,   3.0,
                                        10.0, 30.0, 100.0, 300.0, 1000.0};
inline constexpr std::array kVocabularies = {200, 400, 800};
inline constexpr std::array kCommons = {1.0, 0.1, 0.03};
inline constexpr std::array kTerms = {TermWeight::presence, TermWeight::count,
                                      TermWeight::log_count};
inline constexpr std::array kRarities = {0.0, 0.5, 1.0};
inline constexpr std::array kUnitLengths = {false, true};

inline constexpr int kRecipes =
    kVocabularies.size() * kCommons.size() * kTerms.size() * kRarities.size() * kUnitLengths.size();
inline constexpr int kCombinations = kRecipes * static_cast<int>(kLambdas.size());
inline constexpr int kFolds = 3;
static_assert(kCombinations == 1782);

// The recipe at a position of the grid, 0 <= index < kRecipes. The vocabulary varies slowest.
Recipe recipe_at(int index);

struct Batch {
  int recipe = 0;
  int fold = 0;
};

struct BatchResult {
  Batch batch;
  std::vector<double> errors;  // squared, summed over the fold; [lambda * topics + topic]
};

// Every batch of the search, the long ones first so that no worker is left with one at the end.
std::vector<Batch> all_batches();

BatchResult evaluate(const Corpus& corpus, const Batch& batch);

// The best combination for a topic.
struct Choice {
  int recipe = 0;
  int lambda = 0;          // position in kLambdas
  double explained = 0.0;  // share of the target's variance that cross-validation explained
};

// Collects the results of the batches, in whatever order they come, and chooses.
class Tally {
 public:
  explicit Tally(const Corpus& corpus);

  void add(const BatchResult& result);
  // The best combination for each topic; the first in the grid when several are equally good.
  // Expects that every batch was added.
  [[nodiscard]] std::vector<Choice> choose() const;

 private:
  const Corpus& corpus_;
  std::vector<std::vector<double>> errors_;  // of each recipe and fold
};

// The model of one topic: trained on all training lines, it scores every held-out line.
struct Training {
  int topic = 0;
  int recipe = 0;
  int lambda = 0;
};

struct TrainedTopic {
  int topic = 0;
  std::vector<double> scores;
};

TrainedTopic train(const Corpus& corpus, const Training& training);

}  // namespace topics
