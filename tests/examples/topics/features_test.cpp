// SPDX-License-Identifier: Apache-2.0
#include "features.hpp"

#include <Eigen/Core>
#include <cmath>
#include <gtest/gtest.h>

namespace topics {
namespace {

// Three words in all lines, in two, in two, and a fourth in one only.
class FeaturesTest : public testing::Test {
 protected:
  FeaturesTest() {
    corpus_.words = {"all", "often", "some", "once"};
    corpus_.training = {{.topic = 0, .words = {0, 1, 1, 1}},
                        {.topic = 0, .words = {2, 0, 1}},
                        {.topic = 1, .words = {0, 3, 2}}};
    for (const Line& line : corpus_.training) {
      lines_.push_back(&line);
    }
  }

  Eigen::MatrixXd rows(const Recipe& recipe) const {
    return Features{recipe, corpus_, lines_}.rows(lines_);
  }

  Corpus corpus_;
  Lines lines_;
};

TEST_F(FeaturesTest, CountWordsThatStandInMoreThanOneLine) {
  const Eigen::MatrixXd expected{{1, 3, 0}, {1, 1, 1}, {1, 0, 1}};
  EXPECT_EQ(rows({.term = TermWeight::count}), expected);
}

TEST_F(FeaturesTest, WeighTermsByPresenceOrLogarithm) {
  EXPECT_EQ(rows({.term = TermWeight::presence})(0, 1), 1.0);
  EXPECT_EQ(rows({.term = TermWeight::log_count})(0, 1), 1.0 + std::log(3));
}

TEST_F(FeaturesTest, KeepTheMostFrequentWords) {
  EXPECT_EQ(rows({.vocabulary = 1}).cols(), 1);
  EXPECT_EQ(rows({.vocabulary = 1}), Eigen::MatrixXd::Ones(3, 1));
}

TEST_F(FeaturesTest, LeaveOutWordsThatAreTooCommon) {
  const Eigen::MatrixXd expected{{3, 0}, {1, 1}, {0, 1}};
  EXPECT_EQ(rows({.common = 0.7}), expected);
}

TEST_F(FeaturesTest, WeighRareWordsMore) {
  const Eigen::MatrixXd weighed = rows({.rarity = 0.5});
  EXPECT_EQ(weighed(2, 0), 1.0);  // in all lines
  EXPECT_DOUBLE_EQ(weighed(2, 2), std::sqrt(1.0 + std::log(4.0 / 3.0)));
}

TEST_F(FeaturesTest, ScaleRowsToUnitLength) {
  const Eigen::MatrixXd unit = rows({.rarity = 1.0, .unit_length = true});
  for (Eigen::Index row = 0; row < unit.rows(); ++row) {
    EXPECT_NEAR(unit.row(row).norm(), 1.0, 1e-12);
  }
}

TEST_F(FeaturesTest, KnowNothingOfWordsTheyDidNotLearn) {
  const Features features{{}, corpus_, {lines_[1]}};
  EXPECT_EQ(features.size(), 0);  // nothing stands in two lines of one
  EXPECT_EQ(features.rows(lines_).nonZeros(), 0);
}

}  // namespace
}  // namespace topics
