// SPDX-License-Identifier: Apache-2.0
// What the three outside projects build: an error made in the library is caught by its type here.
#include <chrono>
#include <cstdio>
#include <mp/base/deadline.hpp>
#include <mp/base/version.hpp>
#include <mp/errors.hpp>

int main() {
  try {
    if (mp::Deadline{std::chrono::seconds{-1}}.passed()) {
      throw mp::TimeoutError{"the past"};
    }
  } catch (const mp::Error& error) {
    return std::puts(error.what()) < 0;
  }
  return 1;
}
