// SPDX-License-Identifier: Apache-2.0
// pool/local_executor.hpp — the executor whose workers are processes of this machine.
//
// Its bodies are in local_executor.cpp (results, and who waits for them), local_reaper.cpp (the
// workers, and what their deaths mean) and local_places.cpp (how many there are, and what for).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "memory/gate.hpp"
#include "memory/spinner.hpp"
#include "os/fd.hpp"
#include "os/futex.hpp"
#include "os/limits.hpp"
#include "os/poll.hpp"
#include "pool/executor.hpp"
#include "pool/memory_watch.hpp"
#include "pool/slow_tasks.hpp"
#include "pool/task_table.hpp"
#include "pool/worker_crew.hpp"

namespace mp::pool {

class LocalExecutor final : public Executor {
 public:
  explicit LocalExecutor(const PoolOptions& options, std::uint32_t workers, StartMethod method);
  ~LocalExecutor() override;
  void submit(Task task) override;
  bool wait(const std::function<bool()>& enough, Deadline until, Awaited what) override;
  bool cancel(RawResult& result) override;
  int width() const override { return static_cast<int>(width_.load()); }
  void resize(int processes) override;
  std::vector<std::shared_ptr<RawResult>> farewells() const override;
  PoolInsights insights() const override { return read_insights(board_); }
  void close() override;
  void terminate() override;
  void join() override;

 private:
  [[nodiscard]] bool is_open_for_one() const;  // under mutex_
  [[nodiscard]] bool try_submit(Task& task);

  // --- results ---------------------------------------------------------------------------------

  // Watches the board until `enough`. The caller leads.
  bool lead(const std::function<bool()>& enough, Deadline until, Awaited what);
  void stop_leading();
  // Returns whether the workers were told not to wake the leader for each outcome.
  bool collect(Awaited what);
  [[nodiscard]] bool may_be_quiet() const;  // under mutex_
  void help_out();                          // likewise

  // Makes results ready, or hands them to the collector for their callbacks. Under mutex_.
  void settle(const Finished& finished);
  void finish_one(const std::shared_ptr<RawResult>& result);
  void next_batch();

  // Tells somebody else's leader that a result became ready without the board, or that there is
  // more to wait for.
  void tell_leader() {
    board_.header().quiet_until.store(0);
    memory::gate_wake(board_.header().results, memory::kAll);
  }

  // --- the collector ---------------------------------------------------------------------------
  [[nodiscard]] static std::thread start_thread(std::function<void()> body);
  [[nodiscard]] bool wants_collector(const Task& task) const;
  void have_collector();  // under mutex_; throws StartError
  [[nodiscard]] bool collector_needed() const;
  void call_collector_if_needed();
  void call_collector();
  void run_collector();
  void collect_when_needed();
  bool run_one_callback();

  // --- workers ---------------------------------------------------------------------------------
  void give_up() noexcept;
  // Once no worker will be needed any more. Under mutex_.
  void dismiss_zygote();
  void keep_calls(const PoolOptions& options);
  void keep_farewell(layout::WorkerEntry& entry);

  // Has workers look whether they are to leave.
  void wake_workers();

  // How many there are, and are to be; under mutex_ (local_places.cpp).
  [[nodiscard]] std::uint32_t count(layout::Role role) const;
  [[nodiscard]] std::uint32_t active_role() const;
  void assign(std::uint32_t place);
  void balance(Deadline when);
  void watch_memory();

  // Once nothing will be posted any more, workers that find nothing may leave. Under mutex_.
  void let_workers_go();

  // Kills workers whose tasks must end. Each is in a condemned task, and alive or not yet looked
  // at.
  void carry_out(const std::vector<TaskTable::Sentence>& sentences);

  // Sees to it that the reaper is awake when the table has to be tended. Under mutex_.
  void tend_in_time();

  // Under mutex_.
  void tend();
  [[nodiscard]] bool is_over() const;
  void reap();
  void watch_workers();

  // Reaps a worker that is dead, settles what it was doing, and replaces it.
  void look_at(std::uint32_t index);
  void replace_worker(std::uint32_t index);
  // How long the place of a worker that died stays empty: no time, unless many die.
  [[nodiscard]] Deadline restart_time();
  void refill_places();
  [[nodiscard]] Death death_of(std::uint32_t index, process::ChildProcess& worker, int status);

  // The pool can run nothing any more: every task fails with `why`, also those to come.
  void break_with(const std::exception_ptr& why, Finished& finished);
  static std::exception_ptr initializer_failure(const layout::WorkerEntry& entry);

  Board board_;
  mutable std::mutex mutex_;  // L1
  TaskTable table_;
  WorkerCrew crew_;
  enum class Phase : std::uint8_t { open, closing, terminated };
  Phase phase_ = Phase::open;
  std::size_t max_active_;
  std::atomic<std::uint32_t> width_;  // active workers that there are to be; set under mutex_
  std::uint32_t standbys_;            // and standbys
  std::vector<int> cpus_;             // to pin them to, in this order
  MemoryWatch memory_;
  std::vector<std::uint32_t> tasks_seen_;  // of each place, at the last look at its memory
  std::vector<std::shared_ptr<RawResult>> farewells_;  // outcomes of last calls
  std::exception_ptr broken_;
  std::deque<std::shared_ptr<RawResult>> due_;  // finished, their callbacks not yet run
  std::size_t callbacks_due_ = 0;               // tasks with callbacks that have not been run
  std::uint32_t fruitless_ = 0;
  std::uint32_t refused_ = 0;  // replacements that the system has refused, while no worker is left
  struct Vacancy {
    std::uint32_t place;
    Deadline until;
  };
  std::vector<Vacancy> vacancies_;     // places that wait for their workers
  std::vector<std::uint32_t> doomed_;  // places whose workers are to be killed once they are known
  std::deque<std::int64_t> deaths_;    // when, those of the last second
  std::uint64_t memory_kills_ = os::memory_kills();
  Deadline kill_at_ = Deadline::never();
  Deadline tends_at_ = Deadline::never();  // when the reaper next tends the table
  std::condition_variable ended_;
  std::atomic<bool> leading_{false};
  std::atomic<bool> collector_leads_{false};
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
  std::thread collector_;  // started when it is needed; set under mutex_
  std::atomic<std::thread::id> collector_id_{};
};

// The CPUs for workers, in the order in which they are given out; none: any. Throws UsageError.
[[nodiscard]] std::vector<int> cpus_to_pin(const Pinning& pin);

// Starts the workers. Throws StartError, UsageError, OutOfMemory.
[[nodiscard]] std::unique_ptr<Executor> make_local_executor(const PoolOptions& options);

}  // namespace mp::pool
