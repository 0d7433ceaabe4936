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
// Who submits while the board is full collects on the way. A leader that waits for many results, or
// only for room on the board, lets the workers be quiet until they have claimed most of what lies
// there: each wake-up costs more than a small task. It never does so while somebody else waits.
//
// Invariants
//   L1  mutex_ guards the table and the crew, and is never held while waiting, while a process is
//       started, or while user code runs.
//   L2  Whoever stops leading, or makes something due, wakes the collector if it has something to
//       do; the collector looks again after each change of `call_collector_`.
#include "pool/local_executor.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"
#include "mp/log.hpp"
#include "mp/process/current.hpp"

#include "os/parent_death.hpp"
#include "os/signal.hpp"
#include "pool/replay.hpp"
#include "pool/result_access.hpp"

namespace mp::pool {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kSlots = 256;
// Who submits while the board is full looks for outcomes each time that so many more tasks wait.
constexpr std::size_t kHelpEvery = 16;
// So many workers are forked by the thread that makes the pool, at once; those behind them by the
// zygote, since each fork inherits what was opened for the ones before it.
constexpr std::uint32_t kForkedHere = 8;
// A worker that was asked to end (SIGTERM) and did not is killed after this.
constexpr auto kGrace = 1s;

// How many places the board has, so that the pool can become larger.
std::uint32_t places_for(std::uint32_t workers, int standbys) {
  return std::min(std::max(16u, 4 * workers),
                  layout::kMaxWorkers - static_cast<std::uint32_t>(standbys)) +
         static_cast<std::uint32_t>(standbys);
}

}  // namespace

LocalExecutor::LocalExecutor(const PoolOptions& options, std::uint32_t workers, StartMethod method)
    : board_{Board::create(places_for(workers, options.standby), kSlots)},
      table_{board_},
      crew_{board_, method},
      max_active_{options.max_tasks_active},
      width_{workers},
      standbys_{static_cast<std::uint32_t>(options.standby)},
      cpus_{cpus_to_pin(options.pin)},
      memory_{options.memory},
      tasks_seen_(board_.worker_count()) {
  table_.set_width(workers);
  board_.header().tasks_limit = static_cast<std::uint32_t>(options.maxtasksperchild);
  keep_calls(options);
  try {
    for (std::uint32_t index = 0; index < workers + standbys_; ++index) {
      if (index == kForkedHere) {
        crew_.settle();
      }
      assign(index);
      crew_.enter(index, crew_.start(index));
    }
    crew_.settle();
    reaper_ = start_thread([this] { reap(); });
  } catch (...) {
    give_up();
    throw;
  }
}

// Ends the workers of a pool that could not be made.
void LocalExecutor::give_up() noexcept {
  board_.header().closing.store(2);
  wake_workers();
  for (std::uint32_t i = 0; i < crew_.size(); ++i) {
    if (const auto worker = crew_.worker(i)) {
      try {
        worker->signal(os::kSigKill);
        worker->wait(Deadline::never());
        crew_.remove(i);
      } catch (const std::exception& error) {
        get_logger().error(std::string{"a worker could not be ended: "} + error.what());
      }
    }
  }
}

// Starts a thread of the pool's own. Throws StartError.
std::thread LocalExecutor::start_thread(std::function<void()> body) {
  const os::SignalBlock block;  // signals are for the user's threads
  const os::InternalThreads starting{1};
  try {
    return std::thread{std::move(body)};
  } catch (const std::system_error& error) {
    os::internal_thread_ends();
    throw StartError{std::string{"a thread could not be started: "} + error.what()};
  }
}

// Whether the task may have to be served while nobody waits: then the collector must be there.
bool LocalExecutor::wants_collector(const Task& task) const {
  return ResultAccess::has_callback(*task.result) || task.rules.retries != 0 ||
         task.rules.priority != 0 || memory_.is_on() || table_.unfinished() >= kSlots / 2;
}

void LocalExecutor::have_collector() {
  if (!collector_.joinable()) {
    collector_ = start_thread([this] { run_collector(); });
    collector_id_.store(collector_.get_id());
  }
}

LocalExecutor::~LocalExecutor() {
  if (reaper_.joinable()) {
    terminate();
    join();
  }
}

void LocalExecutor::submit(Task task) {
  while (!try_submit(task)) {
    wait(
        [this] {
          const std::lock_guard hold{mutex_};
          return is_open_for_one() || phase_ != Phase::open;
        },
        Deadline::never(), Awaited::one);
  }
}

// Callbacks do not wait: nobody else would run those of the tasks that they wait for.
bool LocalExecutor::is_open_for_one() const {
  return max_active_ == 0 || broken_ || table_.unfinished() < max_active_ ||
         std::this_thread::get_id() == collector_id_.load();
}

// Takes the task out of the caller's hands, unless too many are there.
bool LocalExecutor::try_submit(Task& task) {
  const std::lock_guard hold{mutex_};
  if (phase_ != Phase::open) {
    throw PoolClosed{};
  }
  if (!is_open_for_one()) {
    return false;
  }
  const std::shared_ptr<RawResult> result = task.result;
  if (wants_collector(task)) {
    have_collector();
  }
  if (broken_) {
    ResultAccess::set_failure(*result, broken_);
    finish_one(result);
    return true;
  }
  if (table_.waiting() % kHelpEvery == 1) {
    help_out();
  }
  table_.add(std::move(task));
  tend_in_time();
  if (memory_.wake()) {
    os::eventfd_signal(call_reaper_.get());
  }
  if (ResultAccess::has_callback(*result)) {
    ++callbacks_due_;
    if (board_.header().quiet_until.load() != 0) {
      tell_leader();
    }
  }
  call_collector_if_needed();
  return true;
}

// Takes outcomes, to make room on the board.
void LocalExecutor::help_out() {
  if (table_.something_finished()) {
    Finished finished;
    table_.collect(finished);
    settle(finished);
  }
}

bool LocalExecutor::wait(const std::function<bool()>& enough, Deadline until, Awaited what) {
  bool has_followed = false;
  bool reached = enough();
  while (!reached) {
    const std::uint32_t key = batches_.load();
    if (!leading_.exchange(true)) {
      reached = lead(enough, until, what);
      stop_leading();
      return reached;
    }
    has_followed = true;
    followers_.fetch_add(1);
    // The collector makes way, and a leader that let the workers be quiet does so no more.
    if (collector_leads_.load() || board_.header().quiet_until.load() != 0) {
      tell_leader();
    }
    if (!enough() && leading_.load()) {
      os::futex_wait(batches_, key, until);
    }
    followers_.fetch_sub(1);
    reached = enough();
    if (until.passed()) {
      break;
    }
  }
  if (has_followed && !leading_.load()) {
    // The collector may have made way for this thread.
    const std::lock_guard hold{mutex_};
    call_collector_if_needed();
  }
  return reached;
}

bool LocalExecutor::cancel(RawResult& result) {
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

void LocalExecutor::close() {
  const std::lock_guard hold{mutex_};
  if (phase_ == Phase::open) {
    if (table_.unfinished() != 0) {
      have_collector();
    }
    phase_ = Phase::closing;
    let_workers_go();
    call_collector_if_needed();
  }
}

void LocalExecutor::terminate() {
  const std::lock_guard hold{mutex_};
  if (phase_ == Phase::terminated) {
    return;
  }
  phase_ = Phase::terminated;
  board_.header().closing.store(2);
  wake_workers();
  crew_.signal_all(os::kSigTerm);
  kill_at_ = Deadline{kGrace};
  Finished finished;
  table_.fail_all(std::make_exception_ptr(PoolClosed{"the pool was terminated"}), finished);
  settle(finished);
  dismiss_zygote();
  os::eventfd_signal(call_reaper_.get());
}

void LocalExecutor::join() {
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
    if (collector_.joinable()) {
      collector_.join();
    }
  }
}

bool LocalExecutor::lead(const std::function<bool()>& enough, Deadline until, Awaited what) {
  layout::BoardHeader& header = board_.header();
  for (;;) {
    const bool quiet = collect(what);
    if (enough()) {
      return true;
    }
    const auto something = [&] {
      return quiet ? header.head.load() >= header.quiet_until.load() || followers_.load() != 0
                   : table_.something_finished() || enough();
    };
    if (!until.is_never() && until.passed()) {
      return false;
    }
    memory::Waiting waiting{spinner_};
    const int worker = static_cast<int>(header.results.cpu.load(std::memory_order_relaxed)) - 1;
    if (!quiet && waiting.spin(something, worker)) {
      continue;
    }
    const std::uint32_t key = memory::gate_prepare(header.results);
    if (!something() && !memory::gate_sleep(header.results, key, until)) {
      collect(what);
      return enough();
    }
  }
}

void LocalExecutor::stop_leading() {
  board_.header().quiet_until.store(0);
  leading_.store(false);
  if (followers_.load() != 0) {
    next_batch();  // one of them leads now
  }
  const std::lock_guard hold{mutex_};
  call_collector_if_needed();
}

bool LocalExecutor::collect(Awaited what) {
  Finished& finished = collected_;  // the leader's alone
  std::uint64_t quiet_until = 0;
  {
    const std::lock_guard hold{mutex_};
    table_.collect(finished);
    settle(finished);
    if (what == Awaited::many && may_be_quiet()) {
      quiet_until = table_.low_mark();
    }
    board_.header().quiet_until.store(quiet_until);
  }
  finished.clear();
  return quiet_until != 0;
}

bool LocalExecutor::may_be_quiet() const {
  return callbacks_due_ == 0 && due_.empty() && followers_.load() == 0;
}

void LocalExecutor::settle(const Finished& finished) {
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

void LocalExecutor::finish_one(const std::shared_ptr<RawResult>& result) {
  if (ResultAccess::has_callback(*result)) {
    due_.push_back(result);
    call_collector();
  } else {
    ResultAccess::finish(result);
  }
}

void LocalExecutor::next_batch() {
  batches_.fetch_add(1);
  os::futex_wake(batches_, os::kEverybody);
}

bool LocalExecutor::collector_needed() const {
  return !due_.empty() || table_.waiting() != 0 || callbacks_due_ != 0 ||
         (phase_ != Phase::open && table_.unfinished() != 0);
}

void LocalExecutor::call_collector_if_needed() {
  if (collector_needed()) {
    call_collector();
  }
}

void LocalExecutor::call_collector() {
  call_collector_.fetch_add(1);
  if (collector_sleeps_.load()) {
    os::futex_wake(call_collector_, 1);
  }
}

void LocalExecutor::run_collector() {
  collect_when_needed();
  os::internal_thread_ends();
}

void LocalExecutor::collect_when_needed() {
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
    if (needed && followers_.load() == 0 && !leading_.exchange(true)) {
      collector_leads_.store(true);
      lead(
          [this] {
            if (followers_.load() != 0 || stopping_.load()) {
              return true;
            }
            const std::lock_guard hold{mutex_};
            return !due_.empty() || !collector_needed();
          },
          Deadline::never(), Awaited::many);
      collector_leads_.store(false);
      board_.header().quiet_until.store(0);
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

bool LocalExecutor::run_one_callback() {
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

std::unique_ptr<Executor> make_local_executor(const PoolOptions& options) {
  constexpr int kMost = layout::kMaxWorkers;
  MP_EXPECTS(options.processes >= 0, "a pool needs at least one process");
  MP_EXPECTS(options.maxtasksperchild >= 0, "maxtasksperchild must not be negative");
  const int workers = options.processes == 0 ? cpu_count() : options.processes;
  MP_EXPECTS(options.standby >= 0, "the number of standbys must not be negative");
  MP_EXPECTS(workers <= kMost && options.standby <= kMost - workers,
             "a pool has at most 1024 processes");
  MP_EXPECTS(options.memory.hard == 0 || options.memory.soft <= options.memory.hard,
             "the soft cap of a worker's memory must not be above the hard one");
  const StartMethod method = options.start ? *options.start : get_start_method();
  return std::make_unique<LocalExecutor>(options, static_cast<std::uint32_t>(workers), method);
}

}  // namespace mp::pool
