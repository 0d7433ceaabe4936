// SPDX-License-Identifier: Apache-2.0
// oneTBB doing the work of pool_bench with two threads.
#include <benchmark/benchmark.h>
#include <cstddef>
#include <cstdint>
#include <future>
#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <vector>

#include "support/latency.hpp"
#include "support/registry.hpp"

namespace mp::bench {
namespace {

// Two threads beside the one that waits.
void apply(benchmark::State& state) {
  oneapi::tbb::task_arena arena{2, 0};
  const auto once = [&] {
    std::promise<int> result;
    arena.enqueue([&] { result.set_value(2); });
    benchmark::DoNotOptimize(result.get_future().get());
  };
  for (auto _ : state) {
    once();
  }
  report_latency(state, once);
}

void map(benchmark::State& state, std::size_t tasks, std::size_t grain) {
  oneapi::tbb::task_arena arena{2};
  std::vector<int> results(tasks);
  using Range = oneapi::tbb::blocked_range<std::size_t>;
  const auto increment = [&](const Range& range) {
    for (std::size_t i = range.begin(); i != range.end(); ++i) {
      results[i] = static_cast<int>(i) + 1;
    }
  };
  for (auto _ : state) {
    arena.execute([&] {
      if (grain == 1) {
        oneapi::tbb::parallel_for(Range{0, tasks, 1}, increment, oneapi::tbb::simple_partitioner{});
      } else {
        oneapi::tbb::parallel_for(Range{0, tasks}, increment);
      }
    });
    benchmark::DoNotOptimize(results.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(tasks));
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  add("pool/apply/2w/tbb", apply);
  for (const std::size_t tasks : {100, 10'000, 100'000, 1'000'000}) {
    if (tasks <= 100'000 || !quick()) {
      add("pool/map/" + count(tasks) + "/tbb", [tasks](auto& state) { map(state, tasks, 0); });
      add("pool/map_one/" + count(tasks) + "/tbb", [tasks](auto& state) { map(state, tasks, 1); });
    }
  }
  return run(argc, argv);
}
