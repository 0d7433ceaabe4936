// SPDX-License-Identifier: Apache-2.0
// What a task of a pool costs, beside a plain thread pool with futures doing the same, and what
// becomes of the time when workers are recycled, die, or have real work to do.
//
// The life of a pool comes first: a fork costs more the more memory its process has in use.
#include <benchmark/benchmark.h>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <deque>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
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

namespace {

int increment(int x) {
  return x + 1;
}
std::string echo(std::string text) {
  return text;
}

// A queue of std::packaged_task behind a mutex, and threads that take from it.
class ThreadPool {
 public:
  explicit ThreadPool(int threads) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { work(); });
    }
  }
  ~ThreadPool() {
    {
      const std::lock_guard hold{mutex_};
      closing_ = true;
    }
    something_.notify_all();
    for (auto& thread : threads_) {
      thread.join();
    }
  }
  template <class F>
  auto submit(F f) {
    std::packaged_task<decltype(f())()> task{std::move(f)};
    auto result = task.get_future();
    {
      const std::lock_guard hold{mutex_};
      tasks_.emplace_back(std::make_shared<decltype(task)>(std::move(task)));
    }
    something_.notify_one();
    return result;
  }

 private:
  struct Job {
    template <class T>
    explicit Job(std::shared_ptr<T> task) : run([task] { (*task)(); }) {}
    std::function<void()> run;
  };
  void work() {
    for (;;) {
      std::unique_lock hold{mutex_};
      something_.wait(hold, [this] { return closing_ || !tasks_.empty(); });
      if (tasks_.empty()) {
        return;
      }
      const Job job = std::move(tasks_.front());
      tasks_.pop_front();
      hold.unlock();
      job.run();
    }
  }
  std::mutex mutex_;
  std::condition_variable something_;
  std::deque<Job> tasks_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

void bm_life(benchmark::State& state) {
  for (auto _ : state) {
    mp::Pool pool{2};
    benchmark::DoNotOptimize(pool.apply(increment, 1));
    pool.close();
    pool.join();
  }
}
BENCHMARK(bm_life)
    ->Name("bm_pool_create_apply_join/mp")
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void bm_apply(benchmark::State& state) {
  mp::Pool pool{static_cast<int>(state.range(0))};
  for (auto _ : state) {
    benchmark::DoNotOptimize(pool.apply(increment, 1));
  }
}
BENCHMARK(bm_apply)->Name("bm_pool_apply/mp")->Arg(1)->Arg(2)->UseRealTime();

void bm_apply_threads(benchmark::State& state) {
  ThreadPool pool{static_cast<int>(state.range(0))};
  for (auto _ : state) {
    benchmark::DoNotOptimize(pool.submit([] { return increment(1); }).get());
  }
}
BENCHMARK(bm_apply_threads)->Name("bm_pool_apply/std_thread")->Arg(1)->Arg(2)->UseRealTime();

void bm_map(benchmark::State& state) {
  mp::Pool pool{2};
  std::vector<int> xs(100000);
  std::iota(xs.begin(), xs.end(), 0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        pool.map(increment, xs, mp::MapOptions{static_cast<std::size_t>(state.range(0))}));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(xs.size()));
}
BENCHMARK(bm_map)
    ->Name("bm_pool_map/mp")
    ->Arg(1)
    ->Arg(0)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void bm_map_threads(benchmark::State& state) {
  ThreadPool pool{2};
  for (auto _ : state) {
    std::vector<std::future<int>> results;
    for (int i = 0; i < 100000; ++i) {
      results.push_back(pool.submit([i] { return increment(i); }));
    }
    for (auto& result : results) {
      benchmark::DoNotOptimize(result.get());
    }
  }
  state.SetItemsProcessed(state.iterations() * 100000);
}
BENCHMARK(bm_map_threads)
    ->Name("bm_pool_map/std_thread")
    ->Arg(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void bm_large(benchmark::State& state) {
  mp::Pool pool{2};
  const std::string text(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    benchmark::DoNotOptimize(pool.apply(echo, text));
  }
  state.SetBytesProcessed(state.iterations() * 2 * state.range(0));
}
BENCHMARK(bm_large)->Name("bm_pool_apply_echo/mp")->Arg(1 << 10)->Arg(1 << 20)->UseRealTime();

// The same bytes as a handle: nothing of them is copied.
void bm_large_handle(benchmark::State& state) {
  mp::Pool pool{2};
  const mp::Array<std::uint8_t> bytes(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        pool.apply([](mp::Array<std::uint8_t> given) { return given; }, bytes));
  }
}
BENCHMARK(bm_large_handle)->Name("bm_pool_apply_array/mp")->Arg(1 << 20)->UseRealTime();

// A result that the worker makes in shared memory.
void bm_large_result(benchmark::State& state) {
  mp::Pool pool{2};
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        pool.apply([](std::size_t size) { return mp::Buffer{size}; }, std::size_t{1} << 20));
  }
}
BENCHMARK(bm_large_result)->Name("bm_pool_apply_new_buffer/mp")->UseRealTime();

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
constexpr int kTasks = 2000;

void bm_work(benchmark::State& state) {
  mp::Pool pool{2};
  std::vector<int> xs(kTasks);
  for (auto _ : state) {
    pool.map(compute, xs, mp::MapOptions{static_cast<std::size_t>(state.range(0))});
  }
}
BENCHMARK(bm_work)
    ->Name("bm_pool_work/mp")
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// Two processes that do half of it each, and have nothing to do with each other.
void bm_work_alone(benchmark::State& state) {
  for (auto _ : state) {
    for (int i = 0; i < 2; ++i) {
      if (::fork() == 0) {
        for (int x = 0; x < kTasks / 2; ++x) {
          compute(x);
        }
        ::_exit(0);
      }
    }
    while (::wait(nullptr) > 0) {
    }
  }
}
BENCHMARK(bm_work_alone)
    ->Name("bm_pool_work/two_processes")
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// {maxtasksperchild, standby}
void bm_recycle(benchmark::State& state) {
  mp::PoolOptions options;
  options.processes = 2;
  options.maxtasksperchild = static_cast<int>(state.range(0));
  options.standby = static_cast<int>(state.range(1));
  mp::Pool pool{options};
  std::vector<int> xs(kTasks);
  for (auto _ : state) {
    pool.map(compute, xs, 1);
  }
}
BENCHMARK(bm_recycle)
    ->Name("bm_pool_recycle/mp")
    ->Args({0, 0})
    ->Args({25, 0})
    ->Args({25, 1})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// From the kill to the task's error.
void bm_death(benchmark::State& state) {
  mp::Pool pool{2};
  for (auto _ : state) {
    try {
      pool.apply([] { std::raise(SIGKILL); });
    } catch (const mp::WorkerDied&) {
    }
    state.PauseTiming();
    std::this_thread::sleep_for(std::chrono::milliseconds{100});  // no storm of deaths
    state.ResumeTiming();
  }
}
BENCHMARK(bm_death)
    ->Name("bm_pool_death_to_error/mp")
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(20);

long resident_kib() {
  std::ifstream statm{"/proc/self/statm"};
  long total = 0;
  long resident = 0;
  statm >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE) / 1024;
}

// Ten million tasks, one by one. The counter says by how much the memory has grown meanwhile.
void bm_endless(benchmark::State& state) {
  mp::Pool pool{2};
  const auto run = [&](int count) {
    std::int64_t sum = 0;
    for (const int y : pool.imap(increment, std::views::iota(0, count))) {
      sum += y;
    }
    benchmark::DoNotOptimize(sum);
  };
  run(10'000);
  const long before = resident_kib();
  for (auto _ : state) {
    run(static_cast<int>(state.range(0)));
  }
  state.counters["grown_KiB"] = static_cast<double>(resident_kib() - before);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(bm_endless)
    ->Name("bm_pool_imap/mp")
    ->Arg(10'000'000)
    ->UseRealTime()
    ->Unit(benchmark::kSecond)
    ->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
