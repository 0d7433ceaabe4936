// SPDX-License-Identifier: Apache-2.0
// Design.  No thread stands between a caller and the workers: whoever waits for a result is the
// *leader* and watches the board itself; others who wait meanwhile are followers, told of each
// batch of results. Two threads of our own do what nobody waits for:
//
//   collector   leads when nobody else does and somebody has to (tasks wait for a free slot, a
//               callback is due, the pool is closing), and runs the callbacks, one at a time;
//   reaper      polls the workers' pidfds, and when one is dead: drains, then judges, then
//               replaces it.
//
// Invariants
//   L1  mutex_ guards the table and the crew, and is never held while waiting, while a process is
//       started, or while user code runs.
//   L2  Whoever stops leading, or makes something due, wakes the collector if it has something to
//       do; the collector looks again after each change of `call_collector_`.
#include "pool/local_executor.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"
#include "mp/log.hpp"
#include "mp/process/current.hpp"

#include "memory/gate.hpp"
#include "memory/home.hpp"
#include "memory/spinner.hpp"
#include "os/futex.hpp"
#include "os/parent_death.hpp"
#include "os/poll.hpp"
#include "os/signal.hpp"
#include "pool/result_access.hpp"
#include "pool/task_table.hpp"
#include "pool/worker_crew.hpp"

namespace mp::pool {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kSlots = 256;
// A worker that was asked to end (SIGTERM) and did not is killed after this.
constexpr auto kGrace = 1s;
// Workers that die one after the other without having begun a task: more than so many for each
// place mean that none ever will.
constexpr std::uint32_t kFruitless = 5;

enum class Phase : std::uint8_t { open, closing, terminated };

class LocalExecutor final : public Executor {
 public:
  explicit LocalExecutor(const PoolOptions& options, std::uint32_t workers, StartMethod method)
      : board_{Board::create(workers, kSlots)}, table_{board_}, crew_{board_, method} {
    board_.header().tasks_limit = static_cast<std::uint32_t>(options.maxtasksperchild);
    if (options.initializer) {
      set_initializer(options.initializer);
    }
    for (std::uint32_t index = 0; index < workers; ++index) {
      crew_.enter(index, crew_.start(index));
    }
    const os::SignalBlock block;  // signals are for the user's threads
    const os::InternalThreads starting{2};
    reaper_ = std::thread{[this] { reap(); }};
    collector_ = std::thread{[this] { run_collector(); }};
  }

  ~LocalExecutor() override {
    if (reaper_.joinable()) {
      terminate();
      join();
    }
  }

  void submit(Task task) override {
    const std::lock_guard hold{mutex_};
    if (phase_ != Phase::open) {
      throw PoolClosed{};
    }
    const std::shared_ptr<RawResult> result = task.result;
    if (broken_) {
      ResultAccess::set_failure(*result, broken_);
      finish_one(result);
      return;
    }
    table_.add(std::move(task));
    tend_in_time();
    callbacks_due_ += ResultAccess::has_callback(*result) ? 1 : 0;
    call_collector_if_needed();
  }

  bool wait(const std::function<bool()>& enough, Deadline until) override {
    for (;;) {
      if (enough()) {
        return true;
      }
      const std::uint32_t key = batches_.load();
      if (!leading_.exchange(true)) {
        const bool reached = lead(enough, until);
        stop_leading();
        return reached;
      }
      followers_.fetch_add(1);
      if (!enough() && leading_.load()) {
        os::futex_wait(batches_, key, until);
      }
      followers_.fetch_sub(1);
      if (until.passed()) {
        return enough();
      }
    }
  }

  bool cancel(RawResult& result) override {
    const std::lock_guard hold{mutex_};
    Finished finished;
    std::vector<TaskTable::Sentence> sentences;
    const auto how = table_.cancel(result, finished, sentences);
    carry_out(sentences);
    tend_in_time();
    settle(finished);
    tell_leader();
    return how != TaskTable::Cancelling::too_late;
  }

  int width() const override { return static_cast<int>(board_.worker_count()); }

  void close() override {
    const std::lock_guard hold{mutex_};
    if (phase_ == Phase::open) {
      phase_ = Phase::closing;
      let_workers_go();
      call_collector_if_needed();
    }
  }

  void terminate() override {
    const std::lock_guard hold{mutex_};
    if (phase_ == Phase::terminated) {
      return;
    }
    phase_ = Phase::terminated;
    board_.header().closing.store(2);
    memory::gate_wake(board_.header().work, memory::kAll);
    crew_.signal_all(os::kSigTerm);
    kill_at_ = Deadline{kGrace};
    Finished finished;
    table_.fail_all(std::make_exception_ptr(PoolClosed{"the pool was terminated"}), finished);
    settle(finished);
    os::eventfd_signal(call_reaper_.get());
  }

  void join() override {
    {
      std::unique_lock hold{mutex_};
      if (phase_ == Phase::open) {
        throw UsageError{"a pool must be closed or terminated before it is joined"};
      }
      ended_.wait(hold, [this] { return is_over(); });
      stopping_.store(true);
    }
    const std::lock_guard once{joining_};
    if (reaper_.joinable()) {
      os::eventfd_signal(call_reaper_.get());
      call_collector();
      reaper_.join();
      collector_.join();
    }
  }

 private:
  // --- results ---------------------------------------------------------------------------------

  // Watches the board until `enough`. The caller leads.
  bool lead(const std::function<bool()>& enough, Deadline until) {
    layout::BoardHeader& header = board_.header();
    for (;;) {
      collect();
      if (enough()) {
        return true;
      }
      const auto something = [&] { return table_.something_finished() || enough(); };
      memory::Waiting waiting{spinner_};
      if (waiting.spin(something)) {
        continue;
      }
      const std::uint32_t key = memory::gate_prepare(header.results);
      if (!something() && !memory::gate_sleep(header.results, key, until)) {
        collect();
        return enough();
      }
    }
  }

  void stop_leading() {
    leading_.store(false);
    if (followers_.load() != 0) {
      next_batch();  // one of them leads now
    }
    const std::lock_guard hold{mutex_};
    call_collector_if_needed();
  }

  void collect() {
    Finished& finished = collected_;  // the leader's alone
    {
      const std::lock_guard hold{mutex_};
      table_.collect(finished);
      settle(finished);
    }
    finished.clear();
  }

  // Makes results ready, or hands them to the collector for their callbacks. Under mutex_.
  void settle(const Finished& finished) {
    for (const auto& result : finished) {
      finish_one(result);
    }
    if (finished.empty()) {
      return;
    }
    let_workers_go();
    call_collector_if_needed();
    if (followers_.load() != 0) {
      next_batch();
    }
    if (is_over()) {
      ended_.notify_all();
    }
  }

  void finish_one(const std::shared_ptr<RawResult>& result) {
    if (ResultAccess::has_callback(*result)) {
      due_.push_back(result);
      call_collector();
    } else {
      ResultAccess::finish(result);
    }
  }

  void next_batch() {
    batches_.fetch_add(1);
    os::futex_wake(batches_, os::kEverybody);
  }

  // Tells somebody else's leader that a result became ready without the board.
  void tell_leader() { memory::gate_wake(board_.header().results, memory::kAll); }

  // --- the collector ---------------------------------------------------------------------------

  [[nodiscard]] bool collector_needed() const {
    return !due_.empty() || table_.waiting() != 0 || callbacks_due_ != 0 ||
           (phase_ != Phase::open && table_.unfinished() != 0);
  }

  void call_collector_if_needed() {
    if (collector_needed()) {
      call_collector();
    }
  }

  void call_collector() {
    call_collector_.fetch_add(1);
    if (collector_sleeps_.load()) {
      os::futex_wake(call_collector_, 1);
    }
  }

  void run_collector() {
    collect_when_needed();
    os::internal_thread_ends();
  }

  void collect_when_needed() {
    while (!stopping_.load()) {
      const std::uint32_t key = call_collector_.load();
      if (run_one_callback()) {
        continue;
      }
      bool needed = false;
      {
        const std::lock_guard hold{mutex_};
        needed = collector_needed();
      }
      if (needed && !leading_.exchange(true)) {
        lead(
            [this] {
              const std::lock_guard hold{mutex_};
              return !due_.empty() || !collector_needed() || stopping_.load();
            },
            Deadline::never());
        leading_.store(false);
        if (followers_.load() != 0) {
          next_batch();
        }
        continue;
      }
      collector_sleeps_.store(true);
      os::futex_wait(call_collector_, key, Deadline::never());
      collector_sleeps_.store(false);
    }
  }

  bool run_one_callback() {
    std::shared_ptr<RawResult> result;
    {
      const std::lock_guard hold{mutex_};
      if (due_.empty()) {
        return false;
      }
      result = std::move(due_.front());
      due_.pop_front();
    }
    ResultAccess::run_callback(result);
    ResultAccess::finish(result);
    result = nullptr;
    const std::lock_guard hold{mutex_};
    --callbacks_due_;
    if (followers_.load() != 0) {
      next_batch();
    }
    tell_leader();
    if (is_over()) {
      ended_.notify_all();
    }
    return true;
  }

  // --- workers ---------------------------------------------------------------------------------

  void set_initializer(const Initializer& initializer) {
    const Bytes& call = initializer.call().bytes();
    memory::Message message{call.size(), initializer.objects()};
    copy_bytes(message.payload().data(), call.data(), call.size());
    layout::Word64& cell = board_.header().initializer;
    memory::set_home(message.id(), layout::HomeKind::cell, &cell);
    cell.store(message.release());
  }

  // Once nothing will be posted any more, workers that find nothing may leave. Under mutex_.
  void let_workers_go() {
    if (phase_ == Phase::closing && !table_.may_post() && board_.header().closing.load() == 0) {
      board_.header().closing.store(1);
      memory::gate_wake(board_.header().work, memory::kAll);
    }
  }

  // Kills workers whose tasks must end. Each is in a condemned task, and alive or not yet looked
  // at.
  void carry_out(const std::vector<TaskTable::Sentence>& sentences) {
    for (const TaskTable::Sentence& sentence : sentences) {
      if (const auto& worker = crew_.worker(sentence.worker)) {
        worker->signal(os::kSigKill);
      }
    }
  }

  // Sees to it that the reaper is awake when the table has to be tended. Under mutex_.
  void tend_in_time() {
    if (table_.next_tending() < tends_at_) {
      tends_at_ = table_.next_tending();
      os::eventfd_signal(call_reaper_.get());
    }
  }

  // Under mutex_.
  void tend() {
    if (table_.next_tending().passed()) {
      std::vector<TaskTable::Sentence> sentences;
      table_.tend(sentences);
      carry_out(sentences);
      call_collector_if_needed();
    }
    tends_at_ = table_.next_tending();
  }

  [[nodiscard]] bool is_over() const {
    return phase_ != Phase::open && crew_.alive() == 0 && table_.unfinished() == 0 &&
           due_.empty() && callbacks_due_ == 0 && replacing_ == 0;
  }

  void reap() {
    watch_workers();
    os::internal_thread_ends();
  }

  void watch_workers() {
    std::vector<os::PollEntry> entries;
    std::vector<std::uint32_t> places;
    while (!stopping_.load()) {
      Deadline until = Deadline::never();
      entries.assign(1, {call_reaper_.get(), os::kReadable});
      places.clear();
      {
        const std::lock_guard hold{mutex_};
        tend();
        until = tends_at_;
        for (std::uint32_t i = 0; i < crew_.size(); ++i) {
          if (crew_.worker(i) != nullptr) {
            entries.push_back({crew_.worker(i)->pidfd(), os::kReadable});
            places.push_back(i);
            if (crew_.worker(i)->pidfd() < 0) {
              until = until.no_later_than(20ms);  // no pidfds here: look now and then
            }
          }
        }
        if (phase_ == Phase::terminated && crew_.alive() != 0) {
          if (kill_at_.passed()) {
            crew_.signal_all(os::kSigKill);
            until = until.no_later_than(kGrace);
          } else {
            until = std::min(until, kill_at_);
          }
        }
      }
      os::poll(entries, until);
      os::eventfd_drain(call_reaper_.get());
      for (std::size_t i = 0; i < places.size(); ++i) {
        if (entries[i + 1].fd < 0 || entries[i + 1].ready != 0) {
          look_at(places[i]);
        }
      }
    }
  }

  // Reaps a worker that is dead, settles what it was doing, and replaces it.
  void look_at(std::uint32_t index) {
    const std::shared_ptr<process::ChildProcess> worker = crew_.worker(index);
    const std::optional<int> status = worker->wait(Deadline::now());
    if (!status) {
      return;
    }
    bool replace = false;
    {
      const std::lock_guard hold{mutex_};
      crew_.remove(index);
      layout::WorkerEntry& entry = board_.worker(index);
      const auto phase = static_cast<layout::WorkerPhase>(entry.phase.load());
      const bool fruitless = entry.tasks.load() == 0 && phase != layout::WorkerPhase::retired &&
                             !table_.is_in_task(index);
      fruitless_ = fruitless ? fruitless_ + 1 : 0;
      Finished finished;
      table_.judge(index, std::make_exception_ptr(WorkerDied{worker->pid(), *status}), finished);
      if (phase == layout::WorkerPhase::init_failed) {
        break_with(initializer_failure(entry), finished);
      } else if (fruitless_ > kFruitless * crew_.size()) {
        break_with(std::make_exception_ptr(
                       StartError{"the workers of the pool die before they begin a task"}),
                   finished);
      }
      entry.phase.store(0);
      entry.tasks.store(0);
      replace = phase_ != Phase::terminated && !broken_ &&
                (phase_ == Phase::open || table_.has_unbegun());
      replacing_ += replace ? 1 : 0;
      settle(finished);
      tell_leader();
      if (is_over()) {
        ended_.notify_all();
      }
    }
    if (replace) {
      replace_worker(index);
    }
  }

  void replace_worker(std::uint32_t index) {
    std::shared_ptr<process::ChildProcess> fresh;
    std::exception_ptr failure;
    try {
      fresh = crew_.start(index);
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    const std::lock_guard hold{mutex_};
    --replacing_;
    if (fresh != nullptr) {
      crew_.enter(index, fresh);
      if (phase_ == Phase::terminated) {
        fresh->signal(os::kSigTerm);
      }
    } else if (crew_.alive() == 0) {
      Finished finished;
      break_with(failure, finished);
      settle(finished);
    } else {
      get_logger().error("a worker of a pool could not be replaced");
    }
    if (is_over()) {
      ended_.notify_all();
    }
  }

  // The pool can run nothing any more: every task fails with `why`, also those to come.
  void break_with(const std::exception_ptr& why, Finished& finished) {
    broken_ = why;
    table_.fail_all(why, finished);
    board_.header().closing.store(2);
    memory::gate_wake(board_.header().work, memory::kAll);
  }

  static std::exception_ptr initializer_failure(const layout::WorkerEntry& entry) {
    try {
      const memory::BlockId block = entry.failure.load();
      if (!memory::take_block(block)) {
        throw StartError{"the initializer of a worker failed"};
      }
      const memory::Message message = memory::Message::adopt(block);
      Reader in{message.payload()};
      expect_success(in);
      return std::make_exception_ptr(StartError{"the initializer of a worker failed"});
    } catch (...) {
      return std::current_exception();
    }
  }

  Board board_;
  mutable std::mutex mutex_;  // L1
  TaskTable table_;
  WorkerCrew crew_;
  Phase phase_ = Phase::open;
  std::exception_ptr broken_;
  std::deque<std::shared_ptr<RawResult>> due_;  // finished, their callbacks not yet run
  std::size_t callbacks_due_ = 0;               // tasks with callbacks that have not been run
  std::uint32_t fruitless_ = 0;
  std::uint32_t replacing_ = 0;
  Deadline kill_at_ = Deadline::never();
  Deadline tends_at_ = Deadline::never();  // when the reaper next tends the table
  std::condition_variable ended_;

  std::atomic<bool> leading_{false};
  std::atomic<std::uint32_t> followers_{0};
  os::Word batches_{0};  // followers sleep here
  Finished collected_;
  memory::Spinner spinner_;

  os::Word call_collector_{0};
  std::atomic<bool> collector_sleeps_{false};
  std::atomic<bool> stopping_{false};
  os::Fd call_reaper_ = os::eventfd();
  std::mutex joining_;
  std::thread reaper_;
  std::thread collector_;
};

}  // namespace

std::unique_ptr<Executor> make_local_executor(const PoolOptions& options) {
  MP_EXPECTS(options.processes >= 0, "a pool needs at least one process");
  MP_EXPECTS(options.maxtasksperchild >= 0, "maxtasksperchild must not be negative");
  const int workers = options.processes == 0 ? cpu_count() : options.processes;
  MP_EXPECTS(static_cast<std::uint32_t>(workers) <= layout::kMaxWorkers,
             "a pool has at most 1024 processes");
  const StartMethod method = options.start ? *options.start : get_start_method();
  return std::make_unique<LocalExecutor>(options, static_cast<std::uint32_t>(workers), method);
}

}  // namespace mp::pool
