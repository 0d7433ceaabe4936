// SPDX-License-Identifier: Apache-2.0
// support/registry.hpp — how a benchmark gets its name, and what a program of benchmarks runs.
//
// A name is area/work/size/impl, or area/work/size/impl/placement (benchmarks/README.md). Each
// program adds its benchmarks in main() and ends with run().
#pragma once

#include <benchmark/benchmark.h>
#include <cstddef>
#include <functional>
#include <string>

namespace mp::bench {

// Whether this is a smoke run (MP_BENCH_QUICK is set): then only the small end of each series is
// added, and nothing that takes seconds.
bool quick();

// "64B", "4KiB", "1MiB": a size in a name.
std::string bytes(std::size_t size);
// "8", "10k", "1M": a number of things in a name.
std::string count(std::size_t number);

// Adds `body` under a name, timed by the steady clock. Aborts if the name has not four or five
// parts.
benchmark::internal::Benchmark* add(const std::string& name,
                                    const std::function<void(benchmark::State&)>& body);

// The same for a body that says what each iteration took (State::SetIterationTime).
benchmark::internal::Benchmark* add_manual(const std::string& name,
                                           const std::function<void(benchmark::State&)>& body);

// Runs what the command line of Google Benchmark asks for; what main() returns.
int run(int argc, char** argv);

}  // namespace mp::bench
