// SPDX-License-Identifier: Apache-2.0
// The board of a pool, with workers and parents killed at every instruction: each task has one
// outcome, none runs twice, nobody waits for the dead, and no block stays behind.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <sched.h>

#include "mp/errors/error.hpp"
#include "mp/pool.hpp"
#include "mp/process/current.hpp"
#include "mp/shared.hpp"

#include "harness/kill_harness.hpp"
#include "memory/gate.hpp"
#include "memory/home.hpp"
#include "memory/message.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"
#include "memory_checks.hpp"
#include "pool/board.hpp"
#include "pool/task_table.hpp"
#include "pool/worker.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using pool::Board;
using pool::Finished;
using pool::TaskTable;

constexpr int kTasks = 3;
constexpr std::uint32_t kWorkers = 4;  // the victims are 0 to 2, who comes after them is 3
constexpr std::uint32_t kLast = 3;
constexpr std::uint32_t kSlots = 4;
constexpr auto kPatience = std::chrono::milliseconds{1500};  // less than the harness has

enum class Kind : std::uint8_t { small, large, shared };

struct Counts {
  std::atomic<int> begun[kTasks];
};
test::Shared<Counts>& counts() {
  static test::Shared<Counts> counts;
  return counts;
}

std::string text_of(int number, Kind kind) {
  return std::string(kind == Kind::small ? 10 : 2000, static_cast<char>('a' + number));
}

std::string small_task(int number) {
  counts()->begun[number].fetch_add(1);
  return text_of(number, Kind::small);
}
std::string large_task(int number, const std::string& text) {
  counts()->begun[number].fetch_add(1);
  return text;
}
RawValue<int> shared_task(int number, RawValue<int> given) {
  counts()->begun[number].fetch_add(1);
  return RawValue<int>{*given + 1};
}

constexpr int kFarewell = 77;
std::string last_words(Kind kind) {
  return std::string(kind == Kind::small ? 10 : 2000, 'w');
}
RawValue<int> shared_words() {
  return RawValue<int>{kFarewell};
}

RawTask make(int number, Kind kind) {
  return detail::make_task([&](Carrier& carrier) {
    switch (kind) {
      case Kind::large:
        return make_call_with(&carrier, large_task, number, text_of(number, kind));
      case Kind::shared:
        return make_call_with(&carrier, shared_task, number, RawValue<int>{number});
      default:
        return make_call_with(&carrier, small_task, number);
    }
  });
}

class Subject {
 public:
  Subject(std::string state, Kind kind) : state_{std::move(state)}, kind_{kind} {}

  // A worker from its first look at the board to its leave, after one task.
  Operation work() {
    Operation operation = base("Pool.work");
    operation.run = [this] { pool::work_on_board(board_.id(), 0); };
    operation.second = [this] { pool::work_on_board(board_.id(), 1); };
    operation.while_stopped = [this] {
      pool::work_on_board(board_.id(), 1);
      check(ended_by(1) == 1, "a worker does nothing while another is stopped");
    };
    operation.verify = [this] {
      memory::bury_the_dead();
      Finished finished;
      for (const std::uint32_t dead : {0u, 1u}) {
        table_->judge(dead, pool::Death{.pid = 1, .exitcode = -9}, finished);
      }
      board_.header().tasks_limit = 0;
      pool::work_on_board(board_.id(), kLast);
      table_->collect(finished);
      balance(finished);
    };
    return operation;
  }

  // A worker whose task the parent condemns, at whatever instruction it is.
  Operation condemn() {
    Operation operation = work();
    operation.name = "Pool.condemn";
    operation.second = [this] {
      std::vector<TaskTable::Sentence> sentences;
      table_->condemn_for_memory(0, {}, sentences);
    };
    operation.while_stopped = [this, condemn = operation.second] {
      const bool has_ended = ended_by(0) != 0;
      const bool is_running = running_by(0);
      condemn();
      check(!running_by(0), "a task runs on though it is condemned");
      check(count(0, layout::SlotPhase::condemned) == (is_running ? 1 : 0),
            has_ended ? "an outcome was condemned" : "a task was not condemned");
    };
    return operation;
  }

  // A worker that has done its share lets a standby go on, which has waited for that.
  Operation hand_over() {
    Operation operation = base("Pool.hand_over");
    closing_ = 0;
    operation.setup = [this, setup = operation.setup] {
      setup();
      set_role(0, layout::Role::active);
      set_role(1, layout::Role::standby);
    };
    operation.run = [this] { pool::work_on_board(board_.id(), 0); };
    operation.second = [this] { pool::work_on_board(board_.id(), 2); };
    operation.waiters = {[this] { pool::work_on_board(board_.id(), 1); }};
    operation.owed = [this] { return role_of(1) == layout::Role::active; };
    operation.verify = [this] {
      memory::bury_the_dead();
      if (role_of(1) == layout::Role::standby) {
        set_role(1, layout::Role::active);  // as the parent does that misses an active one
        memory::gate_wake(board_.worker(1).stop, memory::kAll);
      }
      finish_with_waiter();
    };
    return operation;
  }

  // A worker says its last words.
  Operation say_farewell() {
    Operation operation = base("Pool.farewell");
    operation.setup = [this, setup = operation.setup] {
      setup();
      keep_last_call();
    };
    operation.run = [this] { pool::work_on_board(board_.id(), 0); };
    operation.second = [this] { pool::work_on_board(board_.id(), 1); };
    operation.verify = [this] {
      memory::bury_the_dead();
      Finished finished;
      for (const std::uint32_t dead : {0u, 1u}) {
        table_->judge(dead, pool::Death{.pid = 1, .exitcode = -9}, finished);
        check_farewell(dead);
      }
      board_.header().tasks_limit = 0;
      pool::work_on_board(board_.id(), kLast);
      check_farewell(kLast);
      table_->collect(finished);
      balance(finished);
    };
    return operation;
  }

  // A worker finds nothing, and looks for something until it falls asleep, where another one sleeps
  // already.
  Operation look() {
    Operation operation = base("Pool.look");
    closing_ = 0;
    posted_ = 0;
    // The other party is asked to leave: it would wait for a task, and nobody might post one.
    operation.setup = [this, setup = operation.setup] {
      setup();
      board_.worker(2).leave.store(static_cast<std::uint32_t>(layout::Leave::for_good));
    };
    operation.run = [this] { pool::work_on_board(board_.id(), 0); };
    operation.second = [this] { pool::work_on_board(board_.id(), 2); };
    operation.waiters = {[this] { pool::work_on_board(board_.id(), 1); }};
    operation.owed = [] { return false; };
    operation.when_asleep = [this] {
      add(static_cast<int>(results_.size()));
      memory::gate_wake(board_.header().work, memory::kAll);
    };
    operation.verify = [this] {
      memory::bury_the_dead();
      while (results_.size() < kTasks) {
        add(static_cast<int>(results_.size()));
      }
      finish_with_waiter();
    };
    return operation;
  }

  // The parent posts one more task.
  Operation post() {
    Operation operation = base("Pool.post");
    operation.run = [this] { add(2); };
    operation.verify = [this] {
      memory::bury_the_dead();
      board_.header().tasks_limit = 0;
      pool::work_on_board(board_.id(), kLast);
      for (const auto& begun : counts()->begun) {
        check(begun <= 1, "a task ran twice");
      }
      const int lost = 2 - counts()->begun[0] - counts()->begun[1];
      // A second victim may have claimed one.
      check(lost <= (running_by(1) ? 1 : 0), "a task that was posted is lost");
    };
    operation.second = [this] { pool::work_on_board(board_.id(), 1); };
    posted_ = 2;
    return operation;
  }

  // The parent posts a task that goes ahead of two, which it takes back from the board.
  Operation overtake() {
    Operation operation = base("Pool.overtake");
    operation.run = [this] { add(2, 1); };
    operation.second = [this] { pool::work_on_board(board_.id(), 1); };
    operation.verify = [this] {
      memory::bury_the_dead();
      board_.header().tasks_limit = 0;
      pool::work_on_board(board_.id(), kLast);
      for (const auto& begun : counts()->begun) {
        check(begun <= 1, "a task ran twice");
      }
    };
    posted_ = 2;
    return operation;
  }

  // The parent takes outcomes, or what a dead worker left.
  Operation collect() {
    return parental("Pool.collect", [this](Finished& finished) { table_->collect(finished); });
  }
  Operation judge() {
    return parental("Pool.judge", [this](Finished& finished) {
      table_->judge(1, pool::Death{.pid = 1, .exitcode = -9}, finished);
    });
  }
  // What the dead worker was doing is tried again.
  Operation judge_and_repeat() {
    retries_ = 1;
    Operation operation = judge();
    operation.name = "Pool.judge and repeat";
    operation.setup = [this, setup = operation.setup] {
      setup();
      for (std::uint32_t i = 0; i < kSlots; ++i) {
        layout::Word64& state = board_.slot(i).state;
        if (layout::slot_phase(state) == layout::SlotPhase::posted) {
          state.store(
              layout::slot_state(layout::SlotPhase::running, 1, layout::slot_sequence(state)));
        }
      }
    };
    return operation;
  }
  Operation cancel() {
    return parental("Pool.cancel", [this](Finished& finished) {
      std::vector<TaskTable::Sentence> sentences;
      table_->cancel(*results_[2], finished, sentences);
    });
  }

 private:
  Operation base(const std::string& verb) {
    return {.name = verb,
            .state = state_,
            .setup =
                [this] {
                  for (auto& begun : counts()->begun) {
                    begun = 0;
                  }
                  static_cast<void>(memory::this_thread());
                  static_cast<void>(current_process().name());  // makes a key once
                  before_ = blocks_in_use();
                  board_ = Board::create(kWorkers, kSlots);
                  board_.header().tasks_limit = 1;
                  board_.header().closing.store(closing_);
                  table_.emplace(board_);
                  for (int i = 0; i < posted_; ++i) {
                    add(i);
                  }
                },
            .teardown =
                [this] {
                  results_.clear();
                  table_.reset();
                  board_.reset();
                  memory::bury_the_dead();
                  check_nothing_stayed();
                },
            .warm = [] { static_cast<void>(memory::this_thread()); }};
  }

  [[nodiscard]] layout::Role role_of(std::uint32_t worker) const {
    return layout::role_of(board_.worker(worker).role.load());
  }
  void set_role(std::uint32_t worker, layout::Role role) const {
    board_.worker(worker).role.store(layout::worker_role(role, 0));
  }

  // Workers 0 and 2 are dead, if they ran at all; 1 is awake or has to be, unless it is dead, too.
  void finish_with_waiter() {
    Finished finished;
    const pool::Death death{.pid = 1, .exitcode = -9};
    for (const std::uint32_t dead : {0u, 2u}) {
      table_->judge(dead, death, finished);
    }
    const Deadline patience{kPatience};
    const auto retired = [this] {
      return board_.worker(1).phase.load() ==
             static_cast<std::uint32_t>(layout::WorkerPhase::retired);
    };
    const auto claimed_by_1 = [this] { return running_by(1) || ended_by(1) != 0; };
    board_.header().tasks_limit = 0;
    board_.header().closing.store(1);
    memory::gate_wake(board_.header().work, memory::kAll);
    pool::work_on_board(board_.id(), kLast);
    while (claimed_by_1() && !retired() && !patience.passed()) {
      ::sched_yield();
    }
    table_->judge(1, death, finished);
    table_->collect(finished);
    balance(finished);
  }

  void keep_last_call() const {
    const RawTask task = detail::make_task([this](Carrier& carrier) {
      return kind_ == Kind::shared ? make_call_with(&carrier, shared_words)
                                   : make_call_with(&carrier, last_words, kind_);
    });
    const Bytes& call = task.call.bytes();
    memory::Message message{call.size(), task.objects};
    copy_bytes(message.payload().data(), call.data(), call.size());
    layout::Word64& cell = board_.header().last_call;
    memory::set_home(message.id(), layout::HomeKind::cell, &cell);
    cell.store(message.release());
  }

  // What it said is whole, and is there if it ended in order.
  void check_farewell(std::uint32_t worker) const {
    layout::WorkerEntry& entry = board_.worker(worker);
    const memory::BlockId block = entry.farewell.load();
    if (block == 0 || !memory::take_block(block)) {
      check(entry.phase.load() != static_cast<std::uint32_t>(layout::WorkerPhase::retired),
            "a worker ended in order without its last words");
      return;
    }
    const memory::Message words = memory::Message::adopt(block);
    memory::MessageCarrier carrier{words.id()};
    Reader in{words.payload(), &carrier};
    check(kind_ == Kind::shared ? *read_outcome<RawValue<int>>(in) == kFarewell
                                : read_outcome<std::string>(in) == last_words(kind_),
          "last words are corrupt");
    entry.farewell.store(0);
  }

  // Two tasks are done, the third waits. Nobody needs the parent's answers after its death, but the
  // workers that still run must meet nothing that stops them, and what it held must be given back.
  Operation parental(const std::string& verb, std::function<void(Finished&)> act) {
    Operation operation = base(verb);
    operation.setup = [this, setup = operation.setup] {
      setup();
      pool::work_on_board(board_.id(), 0);
      pool::work_on_board(board_.id(), 1);
    };
    operation.run = [act = std::move(act)] {
      Finished finished;
      act(finished);
    };
    operation.second = [this] { pool::work_on_board(board_.id(), kLast); };
    operation.verify = [this] {
      memory::bury_the_dead();
      board_.header().tasks_limit = 0;
      pool::work_on_board(board_.id(), kLast);
      for (const auto& begun : counts()->begun) {
        check(begun <= 1, "a task ran twice");
      }
    };
    return operation;
  }

  void add(int number, int priority = 0) {
    RawTask task = make(number, kind_);
    results_.push_back(std::make_shared<RawResult>());
    table_->add({std::move(task.call), std::move(task.objects), results_.back(),
                 TaskRules{.retries = retries_, .priority = priority}});
  }

  int count(std::uint32_t worker, layout::SlotPhase phase) {
    int count = 0;
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      const std::uint64_t state = board_.slot(i).state.load();
      count += layout::slot_phase(state) == phase && layout::slot_worker(state) == worker ? 1 : 0;
    }
    return count;
  }
  int ended_by(std::uint32_t worker) { return count(worker, layout::SlotPhase::done); }
  bool running_by(std::uint32_t worker) { return count(worker, layout::SlotPhase::running) != 0; }

  // Each task has one outcome: its value, or that its worker died while it ran.
  void balance(const Finished& finished) {
    check(finished.size() == kTasks, "a task has no outcome");
    int died = 0;
    for (int i = 0; i < kTasks; ++i) {
      const auto place = static_cast<std::size_t>(i);
      check(std::ranges::count(finished, results_[place]) == 1, "a task has two outcomes");
      check(counts()->begun[i] <= 1, "a task ran twice");
      try {
        Reader in{results_[place]->outcome(), results_[place]->carrier()};
        check_value(i, in);
        check(counts()->begun[i] == 1, "a task has a value and never ran");
      } catch (const WorkerDied&) {
        ++died;
      }
    }
    check(died <= 2, "more tasks failed than workers died");
  }

  void check_value(int number, Reader& in) const {
    if (kind_ == Kind::shared) {
      check(*read_outcome<RawValue<int>>(in) == number + 1, "an outcome is corrupt");
    } else {
      check(read_outcome<std::string>(in) == text_of(number, kind_), "an outcome is corrupt");
    }
  }

  void check_nothing_stayed() const {
    for (const memory::BlockId id : blocks_in_use()) {
      check(before_.contains(id), "a block was left behind");
    }
  }

  std::string state_;
  Kind kind_;
  int posted_ = kTasks;
  int retries_ = 0;
  std::uint32_t closing_ = 1;
  Board board_;
  std::optional<TaskTable> table_;
  std::vector<std::shared_ptr<RawResult>> results_;
  std::set<memory::BlockId> before_;
};

TEST(PoolKill, WorkOnASmallTask) {
  expect_survival(Subject{"small", Kind::small}.work());
}
TEST(PoolKill, WorkOnALargeTask) {
  expect_survival(Subject{"large", Kind::large}.work());
}
TEST(PoolKill, WorkOnATaskThatReturnsASharedObject) {
  expect_survival(Subject{"shared", Kind::shared}.work());
}
TEST(PoolKill, CondemnASmallTask) {
  expect_survival(Subject{"small", Kind::small}.condemn());
}
TEST(PoolKill, CondemnATaskThatReturnsASharedObject) {
  expect_survival(Subject{"shared", Kind::shared}.condemn());
}
TEST(PoolKill, HandOverToAStandby) {
  expect_survival(Subject{"standby asleep", Kind::small}.hand_over());
}
TEST(PoolKill, FarewellOfAFewWords) {
  expect_survival(Subject{"small", Kind::small}.say_farewell());
}
TEST(PoolKill, FarewellOfManyWords) {
  expect_survival(Subject{"large", Kind::large}.say_farewell());
}
TEST(PoolKill, FarewellWithASharedObject) {
  expect_survival(Subject{"shared", Kind::shared}.say_farewell());
}
TEST(PoolKill, LookAtAnEmptyBoard) {
  expect_survival(Subject{"empty", Kind::small}.look());
}
TEST(PoolKill, PostOfASmallTask) {
  expect_survival(Subject{"small", Kind::small}.post());
}
TEST(PoolKill, PostOfALargeTask) {
  expect_survival(Subject{"large", Kind::large}.post());
}
TEST(PoolKill, PostOfATaskWithASharedObject) {
  expect_survival(Subject{"shared", Kind::shared}.post());
}
TEST(PoolKill, OvertakeOfSmallTasks) {
  expect_survival(Subject{"small", Kind::small}.overtake());
}
TEST(PoolKill, OvertakeOfTasksWithSharedObjects) {
  expect_survival(Subject{"shared", Kind::shared}.overtake());
}
TEST(PoolKill, CollectOfSmallOutcomes) {
  expect_survival(Subject{"small", Kind::small}.collect());
}
TEST(PoolKill, CollectOfLargeOutcomes) {
  expect_survival(Subject{"large", Kind::large}.collect());
}
TEST(PoolKill, CollectOfSharedOutcomes) {
  expect_survival(Subject{"shared", Kind::shared}.collect());
}
TEST(PoolKill, JudgeOfADeadWorker) {
  expect_survival(Subject{"large", Kind::large}.judge());
}
TEST(PoolKill, JudgeOfADeadWorkerWhoseTaskIsTriedAgain) {
  expect_survival(Subject{"large", Kind::large}.judge_and_repeat());
}
TEST(PoolKill, CancelOfAPostedTask) {
  expect_survival(Subject{"large", Kind::large}.cancel());
}

}  // namespace
}  // namespace mp::crash
