// SPDX-License-Identifier: Apache-2.0
// pool/task_table.hpp — the parent's view of the board: which task lies where, and what became of
// it.
//
// Threads: the caller holds the executor's lock; nothing here waits.
// Crash:   what a dead worker had claimed or done is found by judge().
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <vector>

#include "memory/message.hpp"
#include "pool/board.hpp"
#include "pool/executor.hpp"

namespace mp::pool {

using Finished = std::vector<std::shared_ptr<RawResult>>;

class TaskTable {
 public:
  explicit TaskTable(Board board);

  // Posts the task, or keeps it until a slot is free.
  void add(Task task);
  // Takes the outcomes of tasks that workers have done since the last time, and posts what waits.
  void collect(Finished& finished);
  // The worker is dead and reaped: takes what it had done, fails what it was doing with `why`.
  void judge(std::uint32_t worker, const std::exception_ptr& why, Finished& finished);
  // Takes a task back that nobody has begun. Returns whether it did; it has no outcome then.
  [[nodiscard]] std::shared_ptr<RawResult> take_back(const RawResult& result);
  // Fails every task that has no outcome yet.
  void fail_all(const std::exception_ptr& why, Finished& finished);

  // Whether workers have told of outcomes that were not collected.
  [[nodiscard]] bool something_finished() const noexcept;
  // Tasks without an outcome, and those of them that wait for a slot.
  [[nodiscard]] std::size_t unfinished() const noexcept { return unfinished_; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }
  // Whether the worker was in a task when it was last looked at.
  [[nodiscard]] bool is_in_task(std::uint32_t worker) const noexcept;

 private:
  struct Place {
    std::shared_ptr<RawResult> result;  // null: the slot is free
    memory::Message message;            // the call, when it is not in the slot
    std::uint32_t sequence = 0;
  };
  struct Waiting {
    Task task;
    memory::Message message;
  };

  void post(Waiting waiting);
  void post_waiting();
  void take_outcome(std::uint32_t slot, Finished& finished);
  std::shared_ptr<RawResult> clear(std::uint32_t slot);
  void drain(std::uint32_t worker, Finished& finished);

  Board board_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint64_t>
      done_heads_;  // one per worker: entries of its done ring that were read
  std::deque<Waiting> waiting_;
  std::size_t unfinished_ = 0;
};

}  // namespace mp::pool
