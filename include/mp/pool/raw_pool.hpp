// SPDX-License-Identifier: Apache-2.0
// mp/pool/raw_pool.hpp — a pool of processes that knows calls and outcomes as bytes.
//
// Pool (mp/pool/pool.hpp) is a typed skin over this. Use it where the types of the calls are not
// known when the program is compiled. Its life has three phases: open (takes calls), closing
// (finishes the calls it took), ended. close() begins the second; terminate() jumps to the third;
// join() waits for it.
//
// Threads:   all members may be called from any thread.
// Processes: usable in the process that made it.
// Fork:      a forked child must not use it: every member throws WrongProcess, and the destructor
//            does nothing there.
// Crash:     a worker that dies is replaced, and the call it was running fails with WorkerDied; the
//            others are not touched, and no call runs twice.
// Owns:      its workers. The destructor ends and reaps them.
// Blocks:    wait and join.
// Throws:    PoolClosed from submit after close; StartError when workers cannot be started.
// Python:    multiprocessing.pool.Pool
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/pool/insights.hpp"
#include "mp/pool/options.hpp"
#include "mp/pool/progress.hpp"
#include "mp/pool/raw_result.hpp"
#include "mp/process/raw_call.hpp"

namespace mp {

namespace pool {

class Executor;
enum class Awaited : bool;

}  // namespace pool

// A call on its way into a pool.
struct RawTask {
  RawCall call = {};
  std::vector<std::uint64_t> objects = {};   // shared objects that it refers to
  std::vector<detail::ObjectRef> held = {};  // what keeps them alive until it is submitted
  ResultHook callback = {};                  // run by the pool's thread, before it is ready
  ResultHook listener = {};                  // told when it is ready; must not block
  TaskRules rules = {};
  std::uint32_t items = 0;                // of a call of many: how many
  std::uint64_t first_item = 0;           // and the number of the first in the whole map
  std::uint64_t call_number = 0;          // for task_seed(): which call it belongs to; 0: its own
  std::shared_ptr<RawResult> known = {};  // for imap: the outcome, when nothing is to be run
  std::shared_ptr<detail::Progress> progress = {};  // told when it has ended
  const void* call_site = nullptr;  // the return address of the call; null: of submit
};

// Runs a task in this process that was saved when it was found to be poison: of a chunk only the
// item that was. Returns whether it succeeded; what it throws is written to stderr. A program that
// is started with MP_REPLAY=file does this where it would make its first pool, and ends. Throws:
// OsError when the file cannot be read; DecodeError when it is no saved task, or one of
//         another program.
MP_API bool replay_task(const std::string& file);

class MP_API RawPool {
 public:
  explicit RawPool(const PoolOptions& options);
  // With workers of another kind.
  explicit RawPool(std::unique_ptr<pool::Executor> executor);
  ~RawPool();
  RawPool(const RawPool&) = delete;
  RawPool& operator=(const RawPool&) = delete;

  std::shared_ptr<RawResult> submit(RawTask task);
  // Waits until `enough` returns true, and helps the results in meanwhile. Returns false when
  // `until` passes first. `enough` is asked after each result, in several threads at once maybe.
  bool wait(const std::function<bool()>& enough, Deadline until);
  // The same, where it takes many results to be enough: the workers are less disturbed by it.
  bool wait_for_many(const std::function<bool()>& enough, Deadline until);
  // Makes a call that has not ended fail with Cancelled: at once if no worker has begun it. One
  // that runs is asked to stop, or is killed with its worker, and fails when that is done. Returns
  // false when it has ended.
  bool cancel(RawResult& result);
  // How many calls can run at once.
  [[nodiscard]] int width() const;
  // Changes that: new workers start, or workers leave when they have ended their tasks.
  void resize(int processes);
  // What the last calls of workers came to, of all that have ended so far. `result` is the tag of
  // the type in them; throws UsageError unless it is the one that was promised.
  [[nodiscard]] std::vector<std::shared_ptr<RawResult>> exit_results(std::uint64_t result) const;
  // A number for the random streams of the tasks of one call; submit gives one to those that have
  // none.
  [[nodiscard]] std::uint64_t next_call() noexcept { return ++calls_; }
  // What the workers did with their time.
  [[nodiscard]] PoolInsights insights() const;

  void close();
  void terminate();
  // Waits until all workers are gone. Expects: close or terminate came before.
  void join();
  // terminate and join, without exceptions; nothing in a forked child.
  void end() noexcept;

 private:
  void expect_own_process() const;
  bool wait(const std::function<bool()>& enough, Deadline until, pool::Awaited what);

  std::unique_ptr<pool::Executor> executor_;
  std::uint32_t fork_generation_;
  std::uint64_t seed_ = 0;
  std::uint64_t exit_result_ = 0;
  std::atomic<std::uint64_t> calls_{0};
};

}  // namespace mp
