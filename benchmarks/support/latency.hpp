// SPDX-License-Identifier: Apache-2.0
// support/latency.hpp — what a mean hides: the tail of the times of one operation, and the CPU time
// of all who took part.
#pragma once

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <vector>

namespace mp::bench {

// The counters p50_ns, p99_ns and p999_ns of `times`, which are nanoseconds in any order.
inline void report_percentiles(benchmark::State& state, std::vector<double> times) {
  if (times.empty()) {
    return;
  }
  std::ranges::sort(times);
  const auto at = [&](double share) {
    return times[std::min(times.size() - 1,
                          static_cast<std::size_t>(share * static_cast<double>(times.size())))];
  };
  state.counters["p50_ns"] = at(0.5);
  state.counters["p99_ns"] = at(0.99);
  state.counters["p999_ns"] = at(0.999);
}

// Times `once` by itself, after the loop whose mean is reported, so that reading the clock between
// operations is no part of that mean. At most 20,000 times, and no more often than the loop ran.
template <class Once>
void report_latency(benchmark::State& state, const Once& once) {
  using Clock = std::chrono::steady_clock;
  const auto samples = std::min<std::size_t>(20'000, static_cast<std::size_t>(state.iterations()));
  std::vector<double> times;
  times.reserve(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    const auto begin = Clock::now();
    once();
    times.push_back(static_cast<double>((Clock::now() - begin).count()));
  }
  report_percentiles(state, std::move(times));
}

// CPU time of this process and a peer from construction to report(), for each iteration: cpu_ns.
template <class Party>
class CpuMeter {
 public:
  explicit CpuMeter(const Party& peer) : peer_{peer}, begin_{now()} {}
  void report(benchmark::State& state) const {
    state.counters["cpu_ns"] = (now() - begin_) / static_cast<double>(state.iterations());
  }

 private:
  [[nodiscard]] double now() const {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec) +
           peer_.cpu_ns();
  }

  const Party& peer_;
  double begin_;
};

}  // namespace mp::bench
