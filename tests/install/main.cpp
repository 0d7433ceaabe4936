// SPDX-License-Identifier: Apache-2.0
// What the three outside projects build: a process under each start method, and an exception.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mp/mp.hpp>

int main() {
  for (const mp::StartMethod start : mp::get_all_start_methods()) {
    mp::Process child{{.start = start}, [](int code) { std::exit(code); }, 7};
    child.start();
    child.join();
    if (child.exitcode() != 7) {
      return EXIT_FAILURE;
    }
  }
  try {
    throw mp::TimeoutError{"the past"};
  } catch (const mp::Error& error) {
    return std::puts(error.what()) < 0;
  }
}
