// SPDX-License-Identifier: Apache-2.0
// manager/worker_pool.hpp — the threads on which classes of users run.
//
// Threads are made when there is work for them, up to a bound. Tasks of one strand run one after
// the other, in order; those of none whenever a thread is free.
//
// Threads: submit() may be called from any thread.
// Blocks:  the destructor, for tasks that run; those that wait are dropped.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace mp::manager {

class WorkerPool {
 public:
  using Task = std::function<void()>;

  // Guarded by the pool.
  struct Strand {
    std::deque<Task> waiting = {};
    bool running = false;
  };

  explicit WorkerPool(std::size_t most) : most_{most} {}
  ~WorkerPool() { end(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Waits for the threads. What is submitted afterwards runs at once, in the caller's.
  void end();

  void submit(const std::shared_ptr<Strand>& strand, Task task);

 private:
  struct Job {
    std::shared_ptr<Strand> strand;
    Task task;
  };
  void work();
  void make_ready(Job job);

  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> ready_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ending_ = false;
};

}  // namespace mp::manager
