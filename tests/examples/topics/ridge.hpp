// SPDX-License-Identifier: Apache-2.0
// ridge.hpp — ridge regression of several targets on the same rows.
//
// Finds the weights w and intercepts c that minimise |x w + c - y|^2 + lambda s |w|^2 for each
// column of y, where s is the mean variance of a feature times the number of rows: with it, the
// same lambda means the same whatever the scale of x.
//
// What does not depend on lambda (the moments of x and y) is computed once, by the constructor;
// each lambda then costs one Cholesky decomposition, shared by all targets.
#pragma once

#include <Eigen/Core>

#include "features.hpp"

namespace topics {

struct Fit {
  Eigen::MatrixXd weights;        // a column for each target
  Eigen::RowVectorXd intercepts;  // of each target

  [[nodiscard]] Eigen::MatrixXd predict(const Rows& x) const;
};

class Ridge {
 public:
  Ridge(const Rows& x, const Eigen::MatrixXd& y);

  [[nodiscard]] Fit solve(double lambda) const;

 private:
  Eigen::RowVectorXd x_mean_;
  Eigen::RowVectorXd y_mean_;
  Eigen::MatrixXd xx_;  // the centred x'x; the lower triangle only
  Eigen::MatrixXd xy_;  // the centred x'y
  double scale_ = 1.0;
};

}  // namespace topics
