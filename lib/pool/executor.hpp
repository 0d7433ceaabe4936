// SPDX-License-Identifier: Apache-2.0
// pool/executor.hpp — what a pool needs of whoever runs its tasks.
//
// The front (RawPool, Pool) knows calls and results; an Executor gets the calls run. The workers of
// this machine are the first; what runs tasks elsewhere stands behind the same verbs.
//
// Threads: all members may be called from any thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/pool/insights.hpp"
#include "mp/pool/options.hpp"
#include "mp/pool/raw_result.hpp"
#include "mp/process/raw_call.hpp"

namespace mp::pool {

struct Task {
  RawCall call;
  std::vector<std::uint64_t> objects;  // shared objects that the call refers to
  std::shared_ptr<RawResult> result;
  TaskRules rules;
  std::uint32_t items = 0;                       // of a call of many: how many
  std::uint64_t first_item = 0;                  // and the number of the first in the whole map
  std::vector<mp::detail::ObjectRef> held = {};  // what keeps `objects` alive until they are
  std::uint64_t stream = 0;                      // what task_seed() is made from
  const void* call_site = nullptr;               // the return address of the call
};

// What somebody waits for: one result, as soon as it is there, or many, of which none is urgent.
enum class Awaited : bool { one, many };

class Executor {
 public:
  virtual ~Executor() = default;

  // Takes a task; every task taken is finished, by its outcome or an exception that says why not.
  virtual void submit(Task task) = 0;
  // Gets tasks finished until `enough` says so or the deadline passes; returns the former.
  virtual bool wait(const std::function<bool()>& enough, Deadline until, Awaited what) = 0;
  // Makes the task fail with Cancelled, unless it has ended: at once when it has not begun, and
  // otherwise when it has stopped or its worker is dead. Returns whether it will fail so.
  virtual bool cancel(RawResult& result) = 0;
  // How many tasks may run at once.
  [[nodiscard]] virtual int width() const = 0;
  // What the workers did with their time; empty where that is not counted.
  [[nodiscard]] virtual PoolInsights insights() const { return {}; }

  // Changes that. Throws UsageError, PoolClosed.
  virtual void resize(int processes) = 0;
  // The outcomes of the last calls of workers that have ended.
  [[nodiscard]] virtual std::vector<std::shared_ptr<RawResult>> farewells() const = 0;

  // No more tasks; those taken are finished.
  virtual void close() = 0;
  // No more tasks; those not finished fail with PoolClosed.
  virtual void terminate() = 0;
  // Waits for the end after close or terminate.
  virtual void join() = 0;
};

}  // namespace mp::pool
