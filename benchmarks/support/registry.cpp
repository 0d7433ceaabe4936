// SPDX-License-Identifier: Apache-2.0
#include "support/registry.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace mp::bench {
namespace {

// Number and unit, as large as it goes without a rest.
std::string rounded(std::size_t number, std::size_t step,
                    std::initializer_list<const char*> units) {
  const auto* unit = units.begin();
  while (number != 0 && number % step == 0 && unit + 1 != units.end()) {
    number /= step;
    ++unit;
  }
  return std::to_string(number) + *unit;
}

void check(const std::string& name) {
  const auto parts = std::ranges::count(name, '/') + 1;
  if (parts != 4 && parts != 5) {
    std::fprintf(stderr, "not area/work/size/impl[/placement]: %s\n", name.c_str());
    std::abort();
  }
}

}  // namespace

bool quick() {
  static const bool wanted = std::getenv("MP_BENCH_QUICK") != nullptr;
  return wanted;
}

std::string bytes(std::size_t size) {
  return rounded(size, 1024, {"B", "KiB", "MiB", "GiB"});
}

std::string count(std::size_t number) {
  return rounded(number, 1000, {"", "k", "M"});
}

benchmark::internal::Benchmark* add(const std::string& name,
                                    const std::function<void(benchmark::State&)>& body) {
  check(name);
  return benchmark::RegisterBenchmark(name.c_str(), body)->UseRealTime();
}

benchmark::internal::Benchmark* add_manual(const std::string& name,
                                           const std::function<void(benchmark::State&)>& body) {
  check(name);
  return benchmark::RegisterBenchmark(name.c_str(), body)->UseManualTime();
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace mp::bench
