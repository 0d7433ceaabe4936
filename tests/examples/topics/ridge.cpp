// SPDX-License-Identifier: Apache-2.0
#include "ridge.hpp"

#include <Eigen/Cholesky>

namespace topics {

Eigen::MatrixXd Fit::predict(const Rows& x) const {
  Eigen::MatrixXd y = x * weights;
  y.rowwise() += intercepts;
  return y;
}

Ridge::Ridge(const Rows& x, const Eigen::MatrixXd& y)
    : x_mean_{Eigen::RowVectorXd::Zero(x.cols())},
      y_mean_{y.colwise().mean()},
      xx_{Eigen::MatrixXd::Zero(x.cols(), x.cols())},
      xy_{x.transpose() * y} {
  const auto count = static_cast<double>(x.rows());
  for (Eigen::Index row = 0; row < x.rows(); ++row) {
    // Rows are sparse and ordered by column, so this touches the lower triangle only.
    for (Rows::InnerIterator i{x, row}; i; ++i) {
      x_mean_[i.col()] += i.value();
      for (Rows::InnerIterator j{x, row}; j && j.col() <= i.col(); ++j) {
        xx_(i.col(), j.col()) += i.value() * j.value();
      }
    }
  }
  x_mean_ /= count;
  xx_.selfadjointView<Eigen::Lower>().rankUpdate(x_mean_.transpose(), -count);
  xy_.noalias() -= count * x_mean_.transpose() * y_mean_;
  if (const double trace = xx_.trace(); trace > 0.0) {
    scale_ = trace / static_cast<double>(x.cols());
  }
}

Fit Ridge::solve(double lambda) const {
  if (xx_.size() == 0) {  // no word was frequent enough: nothing but the mean is known
    return {.weights = Eigen::MatrixXd{0, y_mean_.cols()}, .intercepts = y_mean_};
  }
  Eigen::MatrixXd system = xx_;
  system.diagonal().array() += lambda * scale_;
  // In place: the decomposition overwrites `system`, and no second matrix is allocated.
  const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> cholesky{system};
  Fit fit;
  fit.weights = cholesky.solve(xy_);
  fit.intercepts = y_mean_ - x_mean_ * fit.weights;
  return fit;
}

}  // namespace topics
