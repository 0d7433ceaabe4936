// SPDX-License-Identifier: Apache-2.0
// One queue, one lock, one condition for workers and one for those who wait: nothing here has to
// survive anybody's death.
#include "pool/thread_executor.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"
#include "mp/process/current.hpp"

#include "memory/message.hpp"
#include "pool/backlog.hpp"
#include "pool/current_task.hpp"
#include "pool/result_access.hpp"
#include "pool/worker_states.hpp"

namespace mp::pool {

namespace {

// Lets a Reader take objects that somebody here holds.
class HoldingCarrier final : public Carrier {
 public:
  explicit HoldingCarrier(std::vector<mp::detail::ObjectRef> held) : held_{std::move(held)} {}
  void take_object(std::uint64_t id) override {
    if (std::ranges::none_of(held_, [id](const auto& object) { return object.id() == id; })) {
      throw DecodeError{"the call refers to a shared object that it does not carry"};
    }
  }

 private:
  std::vector<mp::detail::ObjectRef> held_;
};

class ThreadExecutor final : public Executor {
 public:
  ThreadExecutor(const ThreadPoolOptions& options, int threads)
      : initializer_{options.initializer} {
    self_.process_name = current_process().name();
    self_.pid = current_process().pid();
    try {
      for (int i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { work(); });
      }
    } catch (const std::system_error& error) {
      terminate();
      join();
      throw StartError{std::string{"a thread could not be started: "} + error.what()};
    }
  }
  ~ThreadExecutor() override {
    terminate();
    join();
  }

  void submit(Task task) override {
    MP_EXPECTS(task.rules.timeout.is_none(),
               "a thread cannot be ended, so a ThreadPool has no time limits");
    const std::lock_guard hold{mutex_};
    if (closed_) {
      throw PoolClosed{};
    }
    const int priority = task.rules.priority;
    waiting_.push_back(priority, std::move(task));
    something_.notify_one();
  }

  bool wait(const std::function<bool()>& enough, Deadline until, Awaited) override {
    std::unique_lock hold{mutex_};
    while (!enough()) {
      if (until.is_never()) {
        finished_.wait(hold);
      } else if (until.passed() ||
                 finished_.wait_for(hold, until.remaining()) == std::cv_status::timeout) {
        return enough();
      }
    }
    return true;
  }

  bool cancel(RawResult& result) override {
    std::optional<Task> taken;
    {
      const std::lock_guard hold{mutex_};
      taken = waiting_.remove([&result](const Task& task) { return task.result.get() == &result; });
    }
    if (!taken) {
      return false;
    }
    fail(*taken, std::make_exception_ptr(Cancelled{}));
    return true;
  }

  int width() const override { return static_cast<int>(threads_.size()); }

  void resize(int) override { throw UsageError{"a ThreadPool stays as large as it was made"}; }
  std::vector<std::shared_ptr<RawResult>> farewells() const override { return {}; }

  void close() override {
    const std::lock_guard hold{mutex_};
    closed_ = true;
    something_.notify_all();
  }

  void terminate() override {
    Backlog<Task> left;
    {
      const std::lock_guard hold{mutex_};
      closed_ = true;
      std::swap(left, waiting_);
      something_.notify_all();
    }
    while (!left.empty()) {
      fail(left.pop(), std::make_exception_ptr(PoolClosed{"the pool was terminated"}));
    }
  }

  void join() override {
    {
      const std::lock_guard hold{mutex_};
      if (!closed_) {
        throw UsageError{"a pool must be closed or terminated before it is joined"};
      }
    }
    const std::lock_guard once{joining_};
    for (std::thread& thread : threads_) {
      if (thread.joinable()) {
        thread.join();
      }
    }
  }

 private:
  void work() {
    const std::exception_ptr broken = initialize();
    for (;;) {
      Task task;
      {
        std::unique_lock hold{mutex_};
        something_.wait(hold, [this] { return closed_ || !waiting_.empty(); });
        if (waiting_.empty()) {
          break;
        }
        task = waiting_.pop();
      }
      if (broken) {
        fail(task, broken);
      } else {
        run(task);
      }
    }
    end_worker_states();
  }

  // What the initializer threw in this thread.
  std::exception_ptr initialize() {
    if (!initializer_) {
      return nullptr;
    }
    Writer out;
    HoldingCarrier carrier{initializer_.held()};
    Reader in{initializer_.call().bytes(), &carrier};
    run_call(in, out, self_);
    try {
      const ByteView written = out.written();
      Reader outcome{written};
      expect_success(outcome);
      return nullptr;
    } catch (...) {
      return std::current_exception();
    }
  }

  void run(Task& task) {
    HoldingCarrier carrier{task.held};
    memory::ObjectCollector objects;
    Writer out{&objects};
    layout::Word item{0};
    const StreamAtWork stream{task.stream, item};
    for (int left = task.rules.retry_exceptions ? task.rules.retries : 0;; --left) {
      Reader in{task.call.bytes(), &carrier};
      CallFrame frame{in, out, self_};
      frame.item_slot = &item;
      if (run_call(frame) || left == 0) {
        break;
      }
      {
        std::unique_lock hold{mutex_};
        something_.wait_for(hold, task.rules.backoff, [this] { return closed_; });
      }
      out.rewind(0);
      objects.clear();
    }
    auto held = objects.take_held();
    ResultAccess::set_bytes(*task.result, out.take());
    if (!held.empty()) {
      ResultAccess::set_carrier(*task.result, std::make_unique<HoldingCarrier>(std::move(held)));
    }
    finish(task);
  }

  void fail(const Task& task, const std::exception_ptr& why) {
    ResultAccess::set_failure(*task.result, why);
    finish(task);
  }

  void finish(const Task& task) {
    if (ResultAccess::has_callback(*task.result)) {
      const std::lock_guard one_at_a_time{callbacks_};
      ResultAccess::run_callback(task.result);
    }
    ResultAccess::finish(task.result);
    // Whoever has just seen that it is not ready sleeps by the time we have the lock.
    const std::lock_guard hold{mutex_};
    finished_.notify_all();
  }

  Initializer initializer_;
  ExceptionOrigin self_;
  std::mutex mutex_;
  std::condition_variable something_;
  std::condition_variable finished_;
  Backlog<Task> waiting_;
  bool closed_ = false;
  std::mutex callbacks_;
  std::mutex joining_;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Executor> make_thread_executor(const ThreadPoolOptions& options) {
  MP_EXPECTS(options.threads >= 0, "a pool needs at least one thread");
  return std::make_unique<ThreadExecutor>(options,
                                          options.threads == 0 ? cpu_count() : options.threads);
}

}  // namespace mp::pool

namespace mp {

namespace {

ThreadPoolOptions with_threads(int threads) {
  MP_EXPECTS(threads > 0, "a pool needs at least one thread");
  return {.threads = threads};
}

}  // namespace

ThreadPool::ThreadPool() : ThreadPool{ThreadPoolOptions{}} {}
ThreadPool::ThreadPool(int threads) : ThreadPool{with_threads(threads)} {}
ThreadPool::ThreadPool(const ThreadPoolOptions& options)
    : Pool{std::make_shared<RawPool>(pool::make_thread_executor(options))} {}

}  // namespace mp
