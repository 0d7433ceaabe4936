// SPDX-License-Identifier: Apache-2.0
// baseline/thread_pool.hpp — the pool of threads that everybody writes first.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace mp::bench {

// A queue of std::packaged_task behind a mutex, and threads that take from it.
class ThreadPool {
 public:
  explicit ThreadPool(int threads) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { work(); });
    }
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
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

}  // namespace mp::bench
