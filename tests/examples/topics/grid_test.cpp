// SPDX-License-Identifier: Apache-2.0
#include "grid.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <tuple>

#include "mp/codec.hpp"

#include "crew.hpp"
#include "report.hpp"
#include "ridge.hpp"
#include "text_folder.hpp"

namespace topics {
namespace {

using testing::ElementsAre;

// Two topics that share most of their words, and a third that does not.
class GridTest : public testing::Test {
 protected:
  GridTest() {
    text_.write("air", TextFolder::lines("wind", 40));
    text_.write("sea", TextFolder::lines("wave", 40));
    text_.write("sky", TextFolder::lines("wind cloud", 30));
    corpus_ = read_corpus({.folder = text_.path(), .files = {}});
  }

  TextFolder text_;
  Corpus corpus_;
};

TEST(Grid, Has1782DifferentCombinations) {
  std::set<std::tuple<int, double, TermWeight, double, bool, double>> seen;
  for (int i = 0; i < kRecipes; ++i) {
    const Recipe r = recipe_at(i);
    for (const double lambda : kLambdas) {
      seen.emplace(r.vocabulary, r.common, r.term, r.rarity, r.unit_length, lambda);
    }
  }
  EXPECT_EQ(seen.size(), 1782);
}

TEST(Grid, HasABatchForEachRecipeAndFoldTheLongOnesFirst) {
  const std::vector<Batch> batches = all_batches();
  std::set<std::pair<int, int>> seen;
  for (const Batch& batch : batches) {
    EXPECT_TRUE(seen.emplace(batch.recipe, batch.fold).second);
  }
  EXPECT_EQ(seen.size(), kRecipes * kFolds);
  EXPECT_TRUE(std::is_sorted(batches.begin(), batches.end(), [](const Batch& a, const Batch& b) {
    return recipe_at(a.recipe).vocabulary > recipe_at(b.recipe).vocabulary;
  }));
}

TEST_F(GridTest, JudgesEachCombinationAsIfItWereAlone) {
  const Batch batch{.recipe = 77, .fold = 1};
  const BatchResult result = evaluate(corpus_, batch);
  ASSERT_EQ(result.errors.size(), kLambdas.size() * 3);
  Lines known;
  Lines unknown;
  for (std::size_t i = 0; i < corpus_.training.size(); ++i) {
    (i % 3 == 1 ? unknown : known).push_back(&corpus_.training[i]);
  }
  const Features features{recipe_at(77), corpus_, known};
  for (int topic = 0; topic < 3; ++topic) {
    Eigen::MatrixXd y = Eigen::MatrixXd::Constant(known.size(), 1, -1.0);
    for (std::size_t i = 0; i < known.size(); ++i) {
      y(i) = known[i]->topic == topic ? 1.0 : -1.0;
    }
    for (std::size_t lambda = 0; lambda < kLambdas.size(); ++lambda) {
      const Fit fit = Ridge{features.rows(known), y}.solve(kLambdas[lambda]);
      const Eigen::VectorXd guess = fit.predict(features.rows(unknown));
      double error = 0.0;
      for (std::size_t i = 0; i < unknown.size(); ++i) {
        const double truth = unknown[i]->topic == topic ? 1.0 : -1.0;
        error += (guess[i] - truth) * (guess[i] - truth);
      }
      EXPECT_NEAR(result.errors[lambda * 3 + topic], error, 1e-9 * (1.0 + error));
    }
  }
}

TEST_F(GridTest, ChoosesTheSmallestErrorInWhateverOrderResultsCome) {
  std::vector<BatchResult> results;
  for (const Batch& batch : all_batches()) {
    BatchResult result{.batch = batch, .errors = std::vector<double>(kLambdas.size() * 3, 2.0)};
    if (batch.recipe == 5) {
      result.errors[4 * 3 + 0] = 1.0 + 0.1 * batch.fold;  // lambda 4 suits topic 0
    }
    if (batch.recipe == 100) {
      result.errors[10 * 3 + 2] = 0.5;  // lambda 10 suits topic 2
    }
    results.push_back(result);
  }
  Tally forward{corpus_};
  std::for_each(results.begin(), results.end(), [&](const auto& r) { forward.add(r); });
  Tally backward{corpus_};
  std::for_each(results.rbegin(), results.rend(), [&](const auto& r) { backward.add(r); });
  const std::vector<Choice> choices = forward.choose();
  const auto position = [](const Choice& c) { return std::pair{c.recipe, c.lambda}; };
  EXPECT_EQ(position(choices[0]), std::pair(5, 4));
  EXPECT_EQ(position(choices[1]), std::pair(0, 0));  // all are equal: the first
  EXPECT_EQ(position(choices[2]), std::pair(100, 10));
  for (int topic = 0; topic < 3; ++topic) {
    EXPECT_EQ(position(choices[topic]), position(backward.choose()[topic]));
    EXPECT_EQ(choices[topic].explained, backward.choose()[topic].explained);
  }
}

TEST_F(GridTest, NoticesThatABatchIsMissing) {
  Tally tally{corpus_};
  for (const Batch& batch : all_batches()) {
    if (batch.recipe != 33 || batch.fold != 2) {
      tally.add({.batch = batch, .errors = std::vector<double>(kLambdas.size() * 3)});
    }
  }
  EXPECT_THROW(tally.choose(), std::logic_error);
}

TEST_F(GridTest, TellsTopicsApartThatHaveWordsOfTheirOwn) {
  Outcome outcome;
  const auto crew = make_serial_crew(corpus_);
  Tally tally{corpus_};
  crew->search(all_batches(), [&](const Done<BatchResult>& done) { tally.add(done.result); });
  outcome.choices = tally.choose();
  outcome.scores.resize(3);
  for (int topic = 0; topic < 3; ++topic) {
    EXPECT_GT(outcome.choices[topic].explained, 0.9);
    crew->train({{.topic = topic,
                  .recipe = outcome.choices[topic].recipe,
                  .lambda = outcome.choices[topic].lambda}},
                [&](const Done<TrainedTopic>& done) {
                  outcome.scores[done.result.topic] = done.result.scores;
                });
  }
  const std::vector<int> votes = vote(corpus_, outcome);
  for (std::size_t i = 0; i < votes.size(); ++i) {
    EXPECT_EQ(votes[i], corpus_.held_out[i].topic) << i;
  }
}

TEST_F(GridTest, HasTasksThatTravel) {
  const Done<BatchResult> done{evaluate(corpus_, {.recipe = 3, .fold = 2}), "worker", 0.5, 0.25};
  const auto copy = mp::decode<Done<BatchResult>>(mp::encode(done));
  EXPECT_EQ(copy.result.batch.recipe, 3);
  EXPECT_EQ(copy.result.batch.fold, 2);
  EXPECT_EQ(copy.result.errors, done.result.errors);
  EXPECT_EQ(copy.worker, "worker");
  EXPECT_EQ(copy.seconds, 0.5);
  EXPECT_EQ(copy.cpu_seconds, 0.25);

  const Source source = mp::decode<Source>(mp::encode(default_source()));
  EXPECT_EQ(source.folder, default_source().folder);
  EXPECT_EQ(source.files, default_source().files);

  const auto trained = mp::decode<Done<TrainedTopic>>(
      mp::encode(Done<TrainedTopic>{{.topic = 1, .scores = {0.5, -1.0}}, "w", 0.1, 0.1}));
  EXPECT_THAT(trained.result.scores, ElementsAre(0.5, -1.0));
}

}  // namespace
}  // namespace topics
