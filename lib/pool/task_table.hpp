// SPDX-License-Identifier: Apache-2.0
// pool/task_table.hpp — the parent's view of the board: which task lies where, and what became of
// it.
//
// Threads: the caller holds the executor's lock; nothing here waits.
// Crash:   what a dead worker had claimed or done is found by judge().
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/errors/error.hpp"

#include "memory/message.hpp"
#include "pool/backlog.hpp"
#include "pool/board.hpp"
#include "pool/executor.hpp"
#include "pool/spared_items.hpp"

namespace mp::pool {

using Finished = std::vector<std::shared_ptr<RawResult>>;

// How a worker ended.
struct Death {
  int pid = 0;
  int exitcode = 0;
  DeathReport report = {};
};

class TaskTable {
 public:
  explicit TaskTable(Board board);

  // Posts the task, or keeps it until a slot is free. A task of higher priority goes ahead of all
  // that nobody has begun: those that lie on the board already are taken back.
  void add(Task task);
  // Takes the outcomes of tasks that workers have done since the last time, and posts what waits.
  void collect(Finished& finished);
  // The worker is dead and reaped: takes what it had done. What it was doing is tried again if its
  // rules say so; otherwise it fails with WorkerDied, or with what it was condemned for. An item
  // that killed all the workers that its chunk was given to fails with PoisonTask, and the others
  // of the chunk are run without it.
  void judge(std::uint32_t worker, const Death& death, Finished& finished);
  // Fails every task that has no outcome yet.
  void fail_all(const std::exception_ptr& why, Finished& finished);

  // How many workers there are to be.
  void set_width(std::uint32_t workers) noexcept { width_ = workers; }

  // What tend() and cancel() want done.
  struct Sentence {
    std::uint32_t worker;
  };
  // Enforces time limits and posts tasks whose time to be tried again has come. Appends the workers
  // that are to be killed: they are in a task, condemned, and can begin no other.
  void tend(std::vector<Sentence>& sentences);
  // When tend() must be called again at the latest; never() when nothing has a time.
  [[nodiscard]] Deadline next_tending() const noexcept;
  // The worker has more memory than it may: condemns the task that it is in, if there is one.
  struct Memory {
    std::uint64_t resident = 0;
    std::uint64_t cap = 0;
  };
  void condemn_for_memory(std::uint32_t worker, Memory memory, std::vector<Sentence>& sentences);
  enum class Cancelling : std::uint8_t { too_late, done, begun };
  // Takes a task back. `done`: it is in `finished`, with Cancelled. `begun`: it fails so when its
  // worker is dead or it has stopped; as in tend().
  Cancelling cancel(const RawResult& result, Finished& finished, std::vector<Sentence>& sentences);

  // Whether workers have told of outcomes that were not collected.
  [[nodiscard]] bool something_finished() const noexcept;
  // Tasks without an outcome; those of them that are not on the board; and whether there are any
  // that may yet be posted, again or for the first time.
  [[nodiscard]] std::size_t unfinished() const noexcept { return unfinished_; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }
  [[nodiscard]] bool may_post() const noexcept {
    return !waiting_.empty() || !resting_.empty() || repeatable_ != 0;
  }
  // Where the head of the order will be when workers have begun most of the tasks on the board; 0
  // when they have already.
  [[nodiscard]] std::uint64_t low_mark() const noexcept;
  // Whether a task is there that no worker has begun.
  [[nodiscard]] bool has_unbegun() const noexcept;
  // Whether the worker was in a task when it was last looked at, and in one that was condemned.
  [[nodiscard]] bool is_in_task(std::uint32_t worker) const noexcept {
    return has(worker, layout::SlotPhase::running) || is_condemned(worker);
  }
  [[nodiscard]] bool is_condemned(std::uint32_t worker) const noexcept {
    return has(worker, layout::SlotPhase::condemned);
  }

 private:
  // A task from add() until it is finished, wherever it lies.
  struct Job {
    Task task;  // without its call when that is in the message
    memory::Message message;
    int attempts = 0;              // begun before this one
    bool was_too_large = false;    // and begun once more for that
    std::uint32_t fatal_item = 0;  // the last attempt died in it, counted from 1
    std::vector<SparedItem> spared = {};
    memory::Message spared_message = {};
    Deadline not_before = Deadline::now();
  };
  enum class Verdict : std::uint8_t { none, timed_out, cancelled, too_large };
  struct Place {
    Job job;  // without a result: the slot is free
    std::uint32_t sequence = 0;
    std::uint64_t position = 0;  // in the order ring
    Verdict verdict = Verdict::none;
    Deadline condemn_at = Deadline::never();  // once it was asked to stop
    Memory memory = {};                       // that it was condemned for
    std::int64_t seen_running = 0;            // when, for a worker that could not tell
    [[nodiscard]] bool is_used() const noexcept { return job.task.result != nullptr; }
    [[nodiscard]] bool has_limit() const noexcept { return !job.task.rules.timeout.is_none(); }
  };

  [[nodiscard]] bool has(std::uint32_t worker, layout::SlotPhase phase) const noexcept;
  [[nodiscard]] bool has_room();
  [[nodiscard]] bool is_posted_at(std::uint64_t position) const noexcept;
  void take_back_below(int priority);
  void wait_again(Job job);
  void post(Job job);
  void wake_worker();
  void looks_no_more(std::uint32_t worker);
  void post_waiting();
  void take_outcome(std::uint32_t slot, Finished& finished);
  Job clear(std::uint32_t slot);
  void drain(std::uint32_t worker, Finished& finished);
  void finish(Job job, Finished& finished);
  void fail(Job job, const std::exception_ptr& why, Finished& finished);
  void try_again(Job job);
  [[nodiscard]] static DeathReport report_of(const Job& job, const Death& death);
  void settle_death(Job job, std::uint32_t item, const Death& death, Finished& finished);
  void settle_too_large(Job job, Memory memory, const Death& death, Finished& finished);
  [[nodiscard]] static bool may_repeat(const Job& job) noexcept {
    return job.attempts < job.task.rules.retries;
  }
  [[nodiscard]] static Deadline from_now(TimeLimit limit) noexcept {
    return Deadline{std::chrono::nanoseconds{limit.nanoseconds()}};
  }
  [[nodiscard]] std::int64_t begun(Place& place, const layout::TaskSlot& slot) const;
  void stop(std::uint32_t slot, std::uint32_t worker, std::vector<Sentence>& sentences);
  void condemn(std::uint32_t slot, std::uint32_t worker, std::vector<Sentence>& sentences);

  Board board_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint64_t>
      done_heads_;  // one per worker: entries of its done ring that were read
  Backlog<Job> waiting_;
  std::vector<Job> resting_;  // to be tried again later
  std::size_t unfinished_ = 0;
  std::size_t ranked_ = 0;      // of those, tasks with a priority
  std::uint32_t width_ = 1;     // workers that are meant to be at work
  std::size_t repeatable_ = 0;  // tasks on the board that may be tried again
  std::size_t timed_ = 0;       // tasks on the board with a limit, or asked to stop
  Deadline tend_at_ = Deadline::never();
};

}  // namespace mp::pool
