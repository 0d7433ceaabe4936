// SPDX-License-Identifier: Apache-2.0
// What a task of a pool costs, beside a plain thread pool with futures doing the same.
#include <benchmark/benchmark.h>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mp/pool.hpp"

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

}  // namespace

BENCHMARK_MAIN();
