// SPDX-License-Identifier: Apache-2.0
#include "grid.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include "ridge.hpp"

namespace topics {
namespace {

// Takes the next digit of a number written in mixed bases, last digit first.
template <class Values>
auto take(int& index, const Values& values) {
  const auto value = values[static_cast<std::size_t>(index) % values.size()];
  index /= static_cast<int>(values.size());
  return value;
}

// +1 in the column of a line's topic, -1 in the others: one against the rest.
Eigen::MatrixXd targets(const Corpus& corpus, const Lines& lines) {
  Eigen::MatrixXd y =
      Eigen::MatrixXd::Constant(static_cast<Eigen::Index>(lines.size()),
                                static_cast<Eigen::Index>(corpus.topics.size()), -1.0);
  for (std::size_t row = 0; row < lines.size(); ++row) {
    y(static_cast<Eigen::Index>(row), lines[row]->topic) = 1.0;
  }
  return y;
}

Lines pointers(const std::vector<Line>& lines) {
  Lines result;
  for (const Line& line : lines) {
    result.push_back(&line);
  }
  return result;
}

}  // namespace

Recipe recipe_at(int index) {
  Recipe recipe;
  recipe.unit_length = take(index, kUnitLengths);
  recipe.rarity = take(index, kRarities);
  recipe.term = take(index, kTerms);
  recipe.common = take(index, kCommons);
  recipe.vocabulary = take(index, kVocabularies);
  return recipe;
}

std::vector<Batch> all_batches() {
  std::vector<Batch> batches;
  for (int recipe = kRecipes - 1; recipe >= 0; --recipe) {  // the large vocabularies are last
    for (int fold = 0; fold < kFolds; ++fold) {
      batches.push_back({.recipe = recipe, .fold = fold});
    }
  }
  return batches;
}

BatchResult evaluate(const Corpus& corpus, const Batch& batch) {
  Lines known;
  Lines unknown;
  for (std::size_t i = 0; i < corpus.training.size(); ++i) {
    // Lines of a topic follow one another, so each fold has its third of every topic.
    (static_cast<int>(i % kFolds) == batch.fold ? unknown : known).push_back(&corpus.training[i]);
  }
  const Features features{recipe_at(batch.recipe), corpus, known};
  const Ridge ridge{features.rows(known), targets(corpus, known)};
  const Rows rows = features.rows(unknown);
  const Eigen::MatrixXd expected = targets(corpus, unknown);

  BatchResult result{.batch = batch, .errors = {}};
  for (const double lambda : kLambdas) {
    const Eigen::MatrixXd error = ridge.solve(lambda).predict(rows) - expected;
    for (Eigen::Index topic = 0; topic < error.cols(); ++topic) {
      result.errors.push_back(error.col(topic).squaredNorm());
    }
  }
  return result;
}

Tally::Tally(const Corpus& corpus) : corpus_{corpus}, errors_(kRecipes * kFolds) {}

void Tally::add(const BatchResult& result) {
  errors_.at(result.batch.recipe * kFolds + result.batch.fold) = result.errors;
}

std::vector<Choice> Tally::choose() const {
  const std::size_t topics = corpus_.topics.size();
  std::vector<Choice> choices(topics);
  for (std::size_t topic = 0; topic < topics; ++topic) {
    const auto total = static_cast<double>(corpus_.training.size());
    const auto positive = static_cast<double>(
        std::count_if(corpus_.training.begin(), corpus_.training.end(),
                      [&](const Line& line) { return line.topic == static_cast<int>(topic); }));
    // The squared error of always guessing the mean of a target that is +1 or -1.
    const double worst = 4.0 * positive * (total - positive) / total;
    double best = 0.0;
    for (int combination = 0; combination < kCombinations; ++combination) {
      const int recipe = combination / static_cast<int>(kLambdas.size());
      const int lambda = combination % static_cast<int>(kLambdas.size());
      double error = 0.0;
      for (int fold = 0; fold < kFolds; ++fold) {  // in this order, whoever came first
        const std::vector<double>& errors = errors_[recipe * kFolds + fold];
        if (errors.size() != kLambdas.size() * topics) {
          throw std::logic_error{"a batch of the search is missing"};
        }
        error += errors[lambda * topics + topic];
      }
      if (combination == 0 || error < best) {
        best = error;
        choices[topic] = {.recipe = recipe, .lambda = lambda, .explained = 1.0 - error / worst};
      }
    }
  }
  return choices;
}

TrainedTopic train(const Corpus& corpus, const Training& training) {
  const Lines known = pointers(corpus.training);
  const Features features{recipe_at(training.recipe), corpus, known};
  const Ridge ridge{features.rows(known), targets(corpus, known).col(training.topic)};
  const Eigen::VectorXd scores =
      ridge.solve(kLambdas.at(training.lambda)).predict(features.rows(pointers(corpus.held_out)));
  return {.topic = training.topic, .scores = {scores.begin(), scores.end()}};
}

}  // namespace topics
