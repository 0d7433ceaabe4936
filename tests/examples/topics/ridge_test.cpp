// SPDX-License-Identifier: Apache-2.0
#include "ridge.hpp"

#include <Eigen/Dense>
#include <gtest/gtest.h>

namespace topics {
namespace {

// Numbers that look random and are the same everywhere.
Eigen::MatrixXd numbers(int rows, int columns, unsigned seed) {
  Eigen::MatrixXd m(rows, columns);
  for (int i = 0; i < m.size(); ++i) {
    seed = seed * 1664525U + 1013904223U;
    m(i) = static_cast<double>(seed >> 8U) / (1U << 24U) - 0.3;
  }
  return m;
}

Rows sparse(const Eigen::MatrixXd& dense) {
  return dense.sparseView();
}

// The closed form, written with an explicit column of ones that is not penalised.
Eigen::MatrixXd closed_form(const Eigen::MatrixXd& x, const Eigen::MatrixXd& y, double lambda) {
  Eigen::MatrixXd ones(x.rows(), x.cols() + 1);
  ones << x, Eigen::VectorXd::Ones(x.rows());
  const Eigen::MatrixXd centred = x.rowwise() - x.colwise().mean();
  Eigen::VectorXd penalty =
      Eigen::VectorXd::Constant(x.cols() + 1, lambda * centred.colwise().squaredNorm().mean());
  penalty[x.cols()] = 0.0;
  const Eigen::MatrixXd system = ones.transpose() * ones + Eigen::MatrixXd{penalty.asDiagonal()};
  return system.fullPivLu().solve(ones.transpose() * y);
}

TEST(Ridge, AgreesWithTheClosedForm) {
  Eigen::MatrixXd x = numbers(30, 6, 1);
  x = (x.array() < 0.0).select(0.0, x);  // some zeros, as in a bag of words
  const Eigen::MatrixXd y = numbers(30, 3, 2);
  const Ridge ridge{sparse(x), y};
  for (const double lambda : {0.01, 1.0, 100.0}) {
    const Fit fit = ridge.solve(lambda);
    const Eigen::MatrixXd expected = closed_form(x, y, lambda);
    EXPECT_TRUE(fit.weights.isApprox(expected.topRows(6), 1e-10)) << lambda;
    EXPECT_TRUE(fit.intercepts.isApprox(expected.row(6), 1e-10)) << lambda;
  }
}

TEST(Ridge, FindsAnExactRelationWhenHardlyPenalised) {
  const Eigen::MatrixXd x = numbers(20, 3, 3);
  const Eigen::VectorXd w{{2.0, -1.0, 0.5}};
  const Eigen::MatrixXd y = (x * w).array() + 7.0;
  const Fit fit = Ridge{sparse(x), y}.solve(1e-12);
  EXPECT_TRUE(fit.weights.isApprox(w, 1e-8));
  EXPECT_NEAR(fit.intercepts[0], 7.0, 1e-8);
  EXPECT_TRUE(fit.predict(sparse(x)).isApprox(y, 1e-8));
}

TEST(Ridge, SaysTheMeanWhenPenalisedWithoutEnd) {
  const Eigen::MatrixXd x = numbers(20, 3, 4);
  const Eigen::MatrixXd y = numbers(20, 1, 5);
  const Fit fit = Ridge{sparse(x), y}.solve(1e12);
  EXPECT_LT(fit.weights.norm(), 1e-9);
  EXPECT_NEAR(fit.intercepts[0], y.mean(), 1e-9);
}

TEST(Ridge, SaysTheMeanWhenNothingIsKnown) {
  const Eigen::MatrixXd y = numbers(20, 2, 10);
  const Fit none = Ridge{Rows{20, 0}, y}.solve(1.0);
  EXPECT_TRUE(none.predict(Rows{3, 0}).isApprox(y.colwise().mean().replicate(3, 1)));
  const Eigen::MatrixXd same = Eigen::MatrixXd::Ones(20, 2);  // columns that do not vary
  const Fit constant = Ridge{sparse(same), y}.solve(1.0);
  EXPECT_TRUE(constant.predict(sparse(same.topRows(3)))
                  .isApprox(y.colwise().mean().replicate(3, 1), 1e-12));
}

TEST(Ridge, MeansTheSameByLambdaWhateverTheScale) {
  const Eigen::MatrixXd x = numbers(20, 4, 6);
  const Eigen::MatrixXd y = numbers(20, 1, 7);
  const Eigen::MatrixXd small = Ridge{sparse(x), y}.solve(0.7).predict(sparse(x));
  const Eigen::MatrixXd large = Ridge{sparse(1000.0 * x), y}.solve(0.7).predict(sparse(1000.0 * x));
  EXPECT_TRUE(small.isApprox(large, 1e-10));
}

TEST(Ridge, SolvesEachTargetAsIfItWereAlone) {
  const Eigen::MatrixXd x = numbers(25, 5, 8);
  const Eigen::MatrixXd y = numbers(25, 4, 9);
  const Fit together = Ridge{sparse(x), y}.solve(0.1);
  for (int target = 0; target < 4; ++target) {
    const Fit alone = Ridge{sparse(x), y.col(target)}.solve(0.1);
    EXPECT_TRUE(together.weights.col(target).isApprox(alone.weights, 1e-12));
  }
}

}  // namespace
}  // namespace topics
