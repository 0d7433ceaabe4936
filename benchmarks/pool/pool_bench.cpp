// SPDX-License-Identifier: Apache-2.0
// What a task of a pool costs, beside a plain thread pool with futures doing the same, and what
// becomes of the time when workers are recycled, die, or have real work to do.
//
// The life of a pool comes first: a fork costs more the more memory its process has in use.
#include <benchmark/benchmark.h>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <future>
#include <numeric>
#include <ranges>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/shared.hpp"

#include "baseline/thread_pool.hpp"
#include "support/latency.hpp"
#include "support/registry.hpp"

namespace mp::bench {
namespace {

int increment(int x) {
  return x + 1;
}
std::string echo(std::string text) {
  return text;
}

void life(benchmark::State& state) {
  for (auto _ : state) {
    Pool pool{2};
    benchmark::DoNotOptimize(pool.apply(increment, 1));
    pool.close();
    pool.join();
  }
}

template <class Once>
void repeat(benchmark::State& state, const Once& once) {
  for (auto _ : state) {
    once();
  }
  report_latency(state, once);
}

void apply(benchmark::State& state, int workers) {
  Pool pool{workers};
  repeat(state, [&] { benchmark::DoNotOptimize(pool.apply(increment, 1)); });
}

void apply_threads(benchmark::State& state, int workers) {
  ThreadPool pool{workers};
  repeat(state, [&] { benchmark::DoNotOptimize(pool.submit([] { return increment(1); }).get()); });
}

// A chunksize of 0 is the default.
void map(benchmark::State& state, std::size_t tasks, std::size_t chunksize) {
  Pool pool{2};
  std::vector<int> xs(tasks);
  std::iota(xs.begin(), xs.end(), 0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(pool.map(increment, xs, MapOptions{chunksize}));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(tasks));
}

void map_threads(benchmark::State& state, int tasks) {
  ThreadPool pool{2};
  for (auto _ : state) {
    std::vector<std::future<int>> results;
    for (int i = 0; i < tasks; ++i) {
      results.push_back(pool.submit([i] { return increment(i); }));
    }
    for (auto& result : results) {
      benchmark::DoNotOptimize(result.get());
    }
  }
  state.SetItemsProcessed(state.iterations() * tasks);
}

void echo_text(benchmark::State& state, std::size_t size) {
  Pool pool{2};
  const std::string text(size, 'x');
  for (auto _ : state) {
    benchmark::DoNotOptimize(pool.apply(echo, text));
  }
  state.SetBytesProcessed(state.iterations() * 2 * static_cast<std::int64_t>(size));
}

// The same bytes as a handle: nothing of them is copied.
void echo_array(benchmark::State& state) {
  Pool pool{2};
  const Array<std::uint8_t> bytes(std::size_t{1} << 20);
  for (auto _ : state) {
    benchmark::DoNotOptimize(pool.apply([](Array<std::uint8_t> given) { return given; }, bytes));
  }
}

// A result that the worker makes in shared memory.
void new_buffer(benchmark::State& state) {
  Pool pool{2};
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        pool.apply([](std::size_t size) { return Buffer{size}; }, std::size_t{1} << 20));
  }
}

// A millisecond of work.
int compute(int x) {
  const auto used = [] {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
  };
  for (const auto end = used() + std::chrono::milliseconds{1}; used() < end;) {
  }
  return x;
}
int tasks() {
  return quick() ? 100 : 2000;
}

void work(benchmark::State& state, std::size_t chunksize) {
  Pool pool{2};
  std::vector<int> xs(tasks());
  for (auto _ : state) {
    pool.map(compute, xs, MapOptions{chunksize});
  }
}

// Two processes that do half of it each, and have nothing to do with each other.
void work_alone(benchmark::State& state) {
  for (auto _ : state) {
    for (int i = 0; i < 2; ++i) {
      if (::fork() == 0) {
        for (int x = 0; x < tasks() / 2; ++x) {
          compute(x);
        }
        ::_exit(0);
      }
    }
    while (::wait(nullptr) > 0) {
    }
  }
}

void recycle(benchmark::State& state, int maxtasksperchild, int standby) {
  PoolOptions options;
  options.processes = 2;
  options.maxtasksperchild = maxtasksperchild;
  options.standby = standby;
  Pool pool{options};
  std::vector<int> xs(tasks());
  for (auto _ : state) {
    pool.map(compute, xs, 1);
  }
}

// From the kill to the task's error.
void death(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  Pool pool{2};
  std::vector<double> times;
  for (auto _ : state) {
    const auto begin = Clock::now();
    try {
      pool.apply([] { std::raise(SIGKILL); });
    } catch (const WorkerDied&) {
    }
    times.push_back(static_cast<double>((Clock::now() - begin).count()));
    state.SetIterationTime(times.back() / 1e9);
    std::this_thread::sleep_for(std::chrono::milliseconds{100});  // no storm of deaths
  }
  report_percentiles(state, std::move(times));
}

long resident_kib() {
  std::ifstream statm{"/proc/self/statm"};
  long total = 0;
  long resident = 0;
  statm >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE) / 1024;
}

// Tasks one by one. The counter says by how much the memory has grown meanwhile.
void endless(benchmark::State& state, int count) {
  Pool pool{2};
  const auto run = [&](int tasks) {
    std::int64_t sum = 0;
    for (const int y : pool.imap(increment, std::views::iota(0, tasks))) {
      sum += y;
    }
    benchmark::DoNotOptimize(sum);
  };
  run(10'000);
  const long before = resident_kib();
  for (auto _ : state) {
    run(count);
  }
  state.counters["grown_KiB"] = static_cast<double>(resident_kib() - before);
  state.SetItemsProcessed(state.iterations() * count);
}

void add_small_tasks() {
  for (const int workers : {1, 2}) {
    const std::string name = "pool/apply/" + std::to_string(workers) + "w/";
    add(name + "mp", [workers](auto& state) { apply(state, workers); });
    add(name + "std_thread", [workers](auto& state) { apply_threads(state, workers); });
  }
  for (const int tasks : {1, 100, 10'000, 100'000, 1'000'000, 10'000'000}) {
    const auto number = static_cast<std::size_t>(tasks);
    if (tasks > 100'000 && quick()) {
      continue;
    }
    add("pool/map/" + count(number) + "/mp", [=](auto& state) { map(state, number, 0); });
    if (tasks <= 1'000'000) {
      add("pool/map_one/" + count(number) + "/mp", [=](auto& state) { map(state, number, 1); });
      add("pool/map_one/" + count(number) + "/std_thread",
          [tasks](auto& state) { map_threads(state, tasks); });
    }
  }
  const int endless_tasks = quick() ? 100'000 : 10'000'000;
  add("pool/imap/" + count(static_cast<std::size_t>(endless_tasks)) + "/mp", [=](auto& state) {
    endless(state, endless_tasks);
  })->Iterations(1);
}

void add_large_arguments() {
  for (const std::size_t size : {1 << 10, 1 << 20}) {
    add("pool/echo/" + bytes(size) + "/mp", [size](auto& state) { echo_text(state, size); });
  }
  add("pool/echo/1MiB/mp_array", echo_array);
  add("pool/echo/1MiB/mp_new_buffer", new_buffer);
}

void add_work() {
  const std::string size = "/" + std::to_string(tasks()) + "x1ms/";
  add("pool/work" + size + "mp", [](auto& state) { work(state, 0); });
  add("pool/work" + size + "mp_one", [](auto& state) { work(state, 1); });
  add("pool/work" + size + "two_processes", work_alone);
  add("pool/recycle" + size + "mp_never", [](auto& state) { recycle(state, 0, 0); });
  add("pool/recycle" + size + "mp_25", [](auto& state) { recycle(state, 25, 0); });
  add("pool/recycle" + size + "mp_25_standby", [](auto& state) { recycle(state, 25, 1); });
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  add("pool/life/2w/mp", life);
  add_small_tasks();
  add_large_arguments();
  add_work();
  add_manual("pool/death/-/mp", death)->Iterations(quick() ? 3 : 20);
  return run(argc, argv);
}
