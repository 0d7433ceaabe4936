// SPDX-License-Identifier: Apache-2.0
#include "manager/worker_pool.hpp"

#include <utility>

namespace mp::manager {

void WorkerPool::end() {
  std::deque<Job> dropped;  // without the mutex
  {
    const std::lock_guard hold{mutex_};
    ending_ = true;
    dropped.swap(ready_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

void WorkerPool::submit(const std::shared_ptr<Strand>& strand, Task task) {
  std::unique_lock hold{mutex_};
  if (ending_) {
    hold.unlock();
    task();
    return;
  }
  if (strand && strand->running) {
    strand->waiting.push_back(std::move(task));
    return;
  }
  if (strand) {
    strand->running = true;
  }
  make_ready({strand, std::move(task)});
}

void WorkerPool::make_ready(Job job) {
  ready_.push_back(std::move(job));
  if (idle_ < ready_.size() && threads_.size() < most_) {
    threads_.emplace_back([this] { work(); });
  }
  wake_.notify_one();
}

void WorkerPool::work() {
  std::unique_lock hold{mutex_};
  for (;;) {
    ++idle_;
    wake_.wait(hold, [this] { return ending_ || !ready_.empty(); });
    --idle_;
    if (ending_) {
      return;
    }
    Job job = std::move(ready_.front());
    ready_.pop_front();
    hold.unlock();
    job.task();
    job.task = nullptr;
    hold.lock();
    if (job.strand) {
      if (job.strand->waiting.empty()) {
        job.strand->running = false;
      } else {
        // Behind the others: one busy object does not keep a thread for itself.
        Task next = std::move(job.strand->waiting.front());
        job.strand->waiting.pop_front();
        make_ready({job.strand, std::move(next)});
      }
    }
  }
}

}  // namespace mp::manager
