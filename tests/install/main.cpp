// SPDX-License-Identifier: Apache-2.0
// What the three outside projects build: a process under each start method, exceptions, and
// something of each room, so that what a shared library forgets to export is missed here.
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
    mp::Queue<int> queue{1};
    queue.put(1);
    queue.get();
    mp::Value<int> value{1};
    const mp::RLock lock;
    auto [reader, writer] = mp::Pipe(mp::simplex);
    writer.send(*value);
    mp::Pool pool{1};
    if (pool.apply([](int x) { return x + 1; }, reader.recv<int>()) != 2) {
      return EXIT_FAILURE;
    }
    queue.get_nowait();
    return EXIT_FAILURE;
  } catch (const mp::Empty&) {
    // As it should be.
  }
  try {
    throw mp::TimeoutError{"the past"};
  } catch (const mp::Error& error) {
    return std::puts(error.what()) < 0;
  }
}
