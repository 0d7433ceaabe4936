// SPDX-License-Identifier: Apache-2.0
// Loops over an Array, and the same over a raw span: loops_test compares their machine code.
#include <cstddef>
#include <span>

#include "mp/shared/array.hpp"
#include "mp/shared/value.hpp"

extern "C" {

double array_sum_range(const mp::Array<double>& data) {
  double sum = 0;
  for (const double each : data) {
    sum += each;
  }
  return sum;
}
double span_sum_range(const std::span<double>& data) {
  double sum = 0;
  for (const double each : data) {
    sum += each;
  }
  return sum;
}

double array_sum_index(const mp::Array<double>& data) {
  double sum = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    sum += data[i];
  }
  return sum;
}
double span_sum_index(const std::span<double>& data) {
  double sum = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    sum += data[i];
  }
  return sum;
}

void array_increment(const mp::Array<double>& data) {
  for (double& each : data) {
    each += 1;
  }
}
void span_increment(const std::span<double>& data) {
  for (double& each : data) {
    each += 1;
  }
}

void array_increment_index(const mp::Array<double>& data) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] += 1;
  }
}
void span_increment_index(const std::span<double>& data) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] += 1;
  }
}

}  // extern "C"
